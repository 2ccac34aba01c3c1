"""Functions of the operator's own, beside the file that names them."""
