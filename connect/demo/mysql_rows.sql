-- About 165,000 rows with values of every kind that the tables can hold. One statement a table, all on the server.
SET time_zone = '+00:00';

INSERT INTO ledger.numbers VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10);
INSERT INTO ledger.numbers SELECT a.i + 10 * b.i FROM ledger.numbers a, ledger.numbers b WHERE b.i < 10;
INSERT INTO ledger.numbers SELECT a.i + 100 * b.i FROM ledger.numbers a, ledger.numbers b WHERE b.i < 10;
INSERT INTO ledger.numbers SELECT a.i + 1000 * b.i FROM ledger.numbers a, ledger.numbers b WHERE b.i < 100;

INSERT INTO shop.customers (id, email, name, city, segment, tags, profile, balance, born, created_at)
SELECT i, CONCAT('customer', i, '@example.org'),
       CONCAT(ELT(1 + i % 8, 'Ada', 'Grace', 'Edsger', 'Barbara', 'Tony', 'Łukasz', 'Zoë', '李雷'), ' no. ', i),
       ELT(1 + i % 6, 'Lyon', 'Porto', 'Málaga', 'Ghent', 'Zürich', NULL), 1 + i % 3,
       ELT(1 + i % 4, '', 'loyal', 'loyal,the "best"', 'new'),
       JSON_OBJECT('score', i % 97, 'emoji', '🛒', 'rebates', JSON_ARRAY(i % 7, i / 8, NULL)),
       (i % 10000) / 100, DATE '1950-01-01' + INTERVAL (i % 20000) DAY, TIMESTAMP '2015-01-01 00:00:00' + INTERVAL 7 * i MINUTE
FROM ledger.numbers WHERE i <= 12000;

INSERT INTO shop.addresses (id, customer_id, street, zip, country, entrance)
SELECT i, i, CONCAT(i, ' Rue de l''Église'), LPAD(i % 99999, 5, '0'), ELT(1 + i % 5, 'FR', 'PT', 'ES', 'BE', 'CH'),
       CASE WHEN i % 3 > 0 THEN POINT(i % 180, i % 90) END
FROM ledger.numbers WHERE i <= 12000;

INSERT INTO shop.categories (id, parent_id, name)
SELECT i, CASE WHEN i > 5 THEN 1 + i % 5 END, CONCAT('Category ', i) FROM ledger.numbers WHERE i <= 40 ORDER BY i;

INSERT INTO shop.products (id, category_id, sku, name, description, attributes, price, weight, since, thumbnail)
SELECT UNHEX(LPAD(HEX(i), 32, '0')), 1 + i % 40, CONCAT('SKU-', LPAD(i, 6, '0')), CONCAT('Product ', i),
       REPEAT(CONCAT('This is the long story of product ', i, '. '), 80 + i % 120),
       JSON_OBJECT('colour', ELT(1 + i % 3, 'red', 'green', 'blue'), 'rating', ROUND(i % 50 / 7, 2)),
       (100 + i % 90000) / 100, (i % 500) / 7, 1990 + i % 30, UNHEX(SHA2(i, 256))
FROM ledger.numbers WHERE i <= 3000;

INSERT INTO shop.warehouses (id, name, opens)
SELECT i, CONCAT('Warehouse ', i), MAKETIME(6, 15 * (i - 1), 0) FROM ledger.numbers WHERE i <= 4;

INSERT INTO shop.stock (warehouse_id, product_id, quantity)
SELECT w.i, UNHEX(LPAD(HEX(p.i), 32, '0')), (p.i * w.i) % 250
FROM ledger.numbers p, ledger.numbers w WHERE p.i <= 3000 AND w.i <= 4;

INSERT INTO shop.coupons (code, discount, valid_from, valid_to, grace)
SELECT CONCAT('SAVE', i), i % 50 / 3, DATE '2026-01-01' + INTERVAL i DAY, DATE '2026-01-31' + INTERVAL i DAY,
       MAKETIME(i % 24, i % 60, 0.125)
FROM ledger.numbers WHERE i <= 500;

INSERT INTO shop.orders (id, customer_id, status, total, placed_at, note)
SELECT i, 1 + i % 12000, 2 + i % 4, (i % 50000) / 100, TIMESTAMP '2020-01-01 00:00:00.000001' + INTERVAL 3 * i MINUTE,
       CASE WHEN i % 10 = 0 THEN 'Ring twice.\tMind the \\ dog.\n' END
FROM ledger.numbers WHERE i <= 30000;

INSERT INTO shop.order_items (order_id, line_no, product_id, quantity, unit_price)
SELECT (1 + i) DIV 2, 1 + i % 2, UNHEX(LPAD(HEX(1 + i % 3000), 32, '0')), 1 + i % 9, (100 + i % 9000) / 100
FROM ledger.numbers WHERE i <= 60000;

INSERT INTO billing.invoices (id, order_id, amount, due, paid)
SELECT UNHEX(LEFT(SHA2(CONCAT('invoice', i), 256), 32)), i, (i % 50000) / 100,
       DATE '2020-02-01' + INTERVAL (i % 2000) DAY, i % 3 > 0
FROM ledger.numbers WHERE i <= 15000;

INSERT INTO billing.payments (id, invoice_id, method, amount, received_at)
SELECT i, UNHEX(LEFT(SHA2(CONCAT('invoice', i), 256), 32)), ELT(1 + i % 3, 'card', 'transfer', 'cash'),
       (i % 50000) / 100,
       TIMESTAMP '2020-02-01 00:00:00.123456' + INTERVAL 11 * i MINUTE
FROM ledger.numbers WHERE i <= 10000;

INSERT INTO shop.audit_log (event, at, actor, action, detail)
SELECT UNHEX(LEFT(SHA2(CONCAT('audit', i), 256), 32)), TIMESTAMP '2024-01-01 00:00:00' + INTERVAL i MINUTE,
       CONCAT('10.0.0.', i % 200), 'login',
       JSON_OBJECT('attempt', i % 4)
FROM ledger.numbers WHERE i <= 8000;

INSERT INTO shop.sessions SELECT LEFT(SHA2(i, 256), 32), i FROM ledger.numbers WHERE i <= 1000;
