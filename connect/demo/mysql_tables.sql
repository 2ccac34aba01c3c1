-- The same legacy shop, as it would have grown in MySQL or MariaDB.
CREATE DATABASE shop CHARACTER SET utf8mb4;
CREATE DATABASE billing CHARACTER SET utf8mb4;
CREATE DATABASE ledger CHARACTER SET utf8mb4;
CREATE DATABASE warehouse CHARACTER SET utf8mb4;

CREATE TABLE shop.customers (
  id int unsigned AUTO_INCREMENT PRIMARY KEY,
  email varchar(120) NOT NULL,
  name varchar(80) NOT NULL,
  city varchar(60) CHARACTER SET latin1,
  segment enum('private','business','key account') NOT NULL DEFAULT 'private',
  tags set('loyal','new','vip','slow payer','the "best"') NOT NULL DEFAULT '',
  profile json,
  balance decimal(12,2) NOT NULL DEFAULT 0,
  born date,
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  lock_version int NOT NULL DEFAULT 0
);

CREATE TABLE shop.addresses (
  id int unsigned AUTO_INCREMENT PRIMARY KEY,
  customer_id int unsigned NOT NULL,
  street varchar(120) NOT NULL,
  zip char(5) NOT NULL,
  country char(2) CHARACTER SET ascii NOT NULL,
  entrance point,
  lock_version int NOT NULL DEFAULT 0,
  FOREIGN KEY (customer_id) REFERENCES shop.customers (id)
);

CREATE TABLE shop.categories (
  id smallint unsigned PRIMARY KEY,
  parent_id smallint unsigned,
  name varchar(60) NOT NULL,
  lock_version int NOT NULL DEFAULT 0,
  FOREIGN KEY (parent_id) REFERENCES shop.categories (id)
);

CREATE TABLE shop.products (
  id binary(16) PRIMARY KEY,
  category_id smallint unsigned NOT NULL,
  sku varchar(20) NOT NULL UNIQUE,
  name varchar(80) NOT NULL,
  description mediumtext NOT NULL,
  attributes json,
  price decimal(10,2) NOT NULL,
  weight double,
  since year,
  thumbnail blob,
  active tinyint(1) NOT NULL DEFAULT 1,
  lock_version int NOT NULL DEFAULT 0,
  FOREIGN KEY (category_id) REFERENCES shop.categories (id)
);

CREATE TABLE shop.warehouses (
  id tinyint unsigned PRIMARY KEY,
  name varchar(40) NOT NULL,
  opens time NOT NULL,
  lock_version int NOT NULL DEFAULT 0
);

CREATE TABLE shop.stock (
  warehouse_id tinyint unsigned NOT NULL,
  product_id binary(16) NOT NULL,
  quantity mediumint unsigned NOT NULL,
  counted_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  lock_version int NOT NULL DEFAULT 0,
  PRIMARY KEY (warehouse_id, product_id),
  FOREIGN KEY (warehouse_id) REFERENCES shop.warehouses (id),
  FOREIGN KEY (product_id) REFERENCES shop.products (id)
);

CREATE TABLE shop.coupons (
  code varchar(40) PRIMARY KEY,
  discount decimal(30,15) NOT NULL,
  valid_from date,
  valid_to date,
  grace time(3),
  lock_version int NOT NULL DEFAULT 0
);

CREATE TABLE shop.orders (
  id bigint unsigned AUTO_INCREMENT PRIMARY KEY,
  customer_id int unsigned NOT NULL,
  coupon varchar(40),
  status enum('cart','placed','paid','shipped','returned') NOT NULL,
  total decimal(12,2) NOT NULL,
  placed_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  changed_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  note text,
  lock_version int NOT NULL DEFAULT 0,
  FOREIGN KEY (customer_id) REFERENCES shop.customers (id)
);

CREATE TABLE shop.order_items (
  order_id bigint unsigned NOT NULL,
  line_no tinyint unsigned NOT NULL,
  product_id binary(16) NOT NULL,
  quantity smallint NOT NULL,
  unit_price decimal(10,2) NOT NULL,
  lock_version int NOT NULL DEFAULT 0,
  PRIMARY KEY (order_id, line_no),
  FOREIGN KEY (order_id) REFERENCES shop.orders (id),
  FOREIGN KEY (product_id) REFERENCES shop.products (id)
);

CREATE TABLE billing.invoices (
  id binary(16) PRIMARY KEY,
  order_id bigint unsigned NOT NULL,
  amount decimal(12,2) NOT NULL,
  due date NOT NULL,
  paid boolean NOT NULL DEFAULT false,
  lock_version int NOT NULL DEFAULT 0,
  FOREIGN KEY (order_id) REFERENCES shop.orders (id)
);

CREATE TABLE billing.payments (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  invoice_id binary(16) NOT NULL,
  method varchar(20) NOT NULL,
  amount double NOT NULL,
  received_at datetime(6) NOT NULL,
  lock_version int NOT NULL DEFAULT 0,
  FOREIGN KEY (invoice_id) REFERENCES billing.invoices (id)
);

-- No primary key, as audit tables tend to have none.
CREATE TABLE shop.audit_log (
  event binary(16) NOT NULL,
  at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  actor varchar(45),
  action varchar(20) NOT NULL,
  detail json
);

-- Internals that no reader should see: the file excludes this table.
CREATE TABLE shop.sessions (
  token char(32) PRIMARY KEY,
  customer_id int unsigned NOT NULL
);

-- What the monolith did, change by change, outside the captured tables: the truth that the topics are held against.
CREATE TABLE ledger.changes (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  table_name varchar(60) NOT NULL,
  row_key varchar(120) NOT NULL,
  n int NOT NULL,
  op char(1) NOT NULL
);

-- The numbers from 1 to 100,000, which neither server could count up to in the same words.
CREATE TABLE ledger.numbers (i int PRIMARY KEY);
