"""What pyproject.toml cannot say: configs/ at the top of the tree is the package connect.configs in the wheel."""

from setuptools import find_namespace_packages, setup

setup(
    packages=[
        *find_namespace_packages(include=["connect", "connect.*", "connectors", "connectors.*"]),
        "connect.configs",
        "connect.configs.shop_cdc",
    ],
    package_dir={"connect.configs": "configs"},
)
