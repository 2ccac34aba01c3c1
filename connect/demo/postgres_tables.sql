-- A legacy shop, as such databases are: grown over years, no two tables alike.
CREATE SCHEMA billing;
CREATE SCHEMA ledger;

CREATE TYPE customer_segment AS ENUM ('private', 'business', 'key account');
CREATE TYPE order_status AS ENUM ('cart', 'placed', 'paid', 'shipped', 'returned');

CREATE TABLE public.customers (
  id bigserial PRIMARY KEY,
  email text NOT NULL,
  name varchar(80) NOT NULL,
  city text,
  segment customer_segment NOT NULL DEFAULT 'private',
  tags text[] NOT NULL DEFAULT '{}',
  profile jsonb,
  balance numeric(12,2) NOT NULL DEFAULT 0,
  born date,
  created_at timestamptz NOT NULL DEFAULT now(),
  lock_version integer NOT NULL DEFAULT 0
);

CREATE TABLE public.addresses (
  id bigserial PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES public.customers,
  street text NOT NULL,
  zip char(5) NOT NULL,
  country char(2) NOT NULL,
  entrance point,
  lock_version integer NOT NULL DEFAULT 0
);

CREATE TABLE public.categories (
  id integer PRIMARY KEY,
  parent_id integer REFERENCES public.categories,
  name text NOT NULL,
  lock_version integer NOT NULL DEFAULT 0
);

CREATE TABLE public.products (
  id uuid PRIMARY KEY,
  category_id integer NOT NULL REFERENCES public.categories,
  sku text NOT NULL UNIQUE,
  name text NOT NULL,
  description text NOT NULL,
  attributes json,
  price numeric(10,2) NOT NULL,
  weight real,
  dimensions integer[],
  thumbnail bytea,
  active boolean NOT NULL DEFAULT true,
  lock_version integer NOT NULL DEFAULT 0
);
-- Kept out of line and uncompressed, so that an UPDATE of another column does not carry it in the log.
ALTER TABLE public.products ALTER COLUMN description SET STORAGE EXTERNAL;

CREATE TABLE public.warehouses (
  id smallint PRIMARY KEY,
  name text NOT NULL,
  opens time NOT NULL,
  lock_version integer NOT NULL DEFAULT 0
);

CREATE TABLE public.stock (
  warehouse_id smallint NOT NULL REFERENCES public.warehouses,
  product_id uuid NOT NULL REFERENCES public.products,
  quantity integer NOT NULL,
  counted_at timestamp NOT NULL DEFAULT now(),
  lock_version integer NOT NULL DEFAULT 0,
  PRIMARY KEY (warehouse_id, product_id)
);

CREATE TABLE public.coupons (
  code text PRIMARY KEY,
  discount numeric NOT NULL,
  valid daterange,
  grace interval,
  lock_version integer NOT NULL DEFAULT 0
);

CREATE TABLE public.orders (
  id bigserial PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES public.customers,
  coupon text,
  status order_status NOT NULL,
  total numeric(12,2) NOT NULL,
  placed_at timestamptz NOT NULL DEFAULT now(),
  note text,
  lock_version integer NOT NULL DEFAULT 0
);

CREATE TABLE public.order_items (
  order_id bigint NOT NULL REFERENCES public.orders,
  line_no smallint NOT NULL,
  product_id uuid NOT NULL REFERENCES public.products,
  quantity smallint NOT NULL,
  unit_price numeric(10,2) NOT NULL,
  lock_version integer NOT NULL DEFAULT 0,
  PRIMARY KEY (order_id, line_no)
);

CREATE TABLE billing.invoices (
  id uuid PRIMARY KEY,
  order_id bigint NOT NULL REFERENCES public.orders,
  amount numeric(12,2) NOT NULL,
  due date NOT NULL,
  paid boolean NOT NULL DEFAULT false,
  lock_version integer NOT NULL DEFAULT 0
);

CREATE TABLE billing.payments (
  id bigserial PRIMARY KEY,
  invoice_id uuid NOT NULL REFERENCES billing.invoices,
  method text NOT NULL,
  amount double precision NOT NULL,
  received_at timestamp NOT NULL,
  lock_version integer NOT NULL DEFAULT 0
);

-- No primary key, as audit tables tend to have none.
CREATE TABLE public.audit_log (
  event uuid NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor inet,
  action text NOT NULL,
  detail jsonb
);

-- Internals that no reader should see: the file excludes this table.
CREATE TABLE public.sessions (
  token text PRIMARY KEY,
  customer_id bigint NOT NULL
);

-- What the monolith did, change by change, outside the captured tables: the truth that the topics are held against.
CREATE TABLE ledger.changes (
  id bigserial PRIMARY KEY,
  table_name text NOT NULL,
  row_key text NOT NULL,
  n integer NOT NULL,
  op char(1) NOT NULL
);
