-- What compose.yaml's Postgres holds when it first starts.
CREATE ROLE cdc LOGIN REPLICATION PASSWORD 'shop';
CREATE ROLE app LOGIN PASSWORD 'shop';
CREATE DATABASE warehouse OWNER app;

GRANT CREATE ON DATABASE shop TO cdc; -- for the publication

CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL UNIQUE
);

CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    total numeric(12, 2) NOT NULL,
    status text NOT NULL DEFAULT 'new',
    placed_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE customers OWNER TO cdc; -- only a table's owner can put it into a publication
ALTER TABLE orders OWNER TO cdc;

INSERT INTO customers (name, email) VALUES ('Ada', 'ada@example.org'), ('Grace', 'grace@example.org');
INSERT INTO orders (customer_id, total) VALUES (1, 19.90), (2, 5.00), (1, 230.00);
