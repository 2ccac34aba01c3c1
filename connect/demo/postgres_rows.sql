-- About 165,000 rows with values of every kind that the tables can hold. One statement a table, all on the server.
SELECT setseed(0.42);

INSERT INTO public.customers (email, name, city, segment, tags, profile, balance, born, created_at)
SELECT 'customer' || i || '@example.org',
       (ARRAY['Ada','Grace','Edsger','Barbara','Tony','Łukasz','Zoë','李雷'])[1 + i % 8] || ' no. ' || i,
       (ARRAY['Lyon','Porto','Kraków','Ghent','Graz',NULL])[1 + i % 6],
       (ARRAY['private','business','key account'])[1 + i % 3]::customer_segment,
       CASE i % 4 WHEN 0 THEN '{}'::text[] WHEN 1 THEN '{loyal}' WHEN 2 THEN '{loyal,"likes, commas"}' ELSE '{NULL,new}' END,
       jsonb_build_object('newsletter', i % 2 = 0, 'score', i % 97, 'emoji', '🛒'),
       (i % 10000) / 100.0, date '1950-01-01' + (i % 20000), timestamptz '2015-01-01' + i * interval '7 minutes'
FROM generate_series(1, 12000) i;

INSERT INTO public.addresses (customer_id, street, zip, country, entrance)
SELECT i, i || ' Rue de l''Église', lpad((i % 99999)::text, 5, '0'), (ARRAY['FR','PT','PL','BE','AT'])[1 + i % 5],
       CASE WHEN i % 3 = 0 THEN NULL ELSE point(i % 180, i % 90) END
FROM generate_series(1, 12000) i;

INSERT INTO public.categories (id, parent_id, name)
SELECT i, CASE WHEN i > 5 THEN 1 + i % 5 END, 'Category ' || i FROM generate_series(1, 40) i;

INSERT INTO public.products (id, category_id, sku, name, description, attributes, price, weight, dimensions, thumbnail)
SELECT lpad(to_hex(i), 32, '0')::uuid, 1 + i % 40, 'SKU-' || lpad(i::text, 6, '0'), 'Product ' || i,
       repeat('This is the long story of product ' || i || '. ', 80 + i % 120),
       json_build_object('colour', (ARRAY['red','green','blue'])[1 + i % 3], 'rating', round((random() * 5)::numeric, 2)),
       (100 + i % 90000) / 100.0, (i % 500) / 7.0, ARRAY[i % 30, i % 20, i % 10], decode(md5(i::text), 'hex')
FROM generate_series(1, 3000) i;

INSERT INTO public.warehouses (id, name, opens)
SELECT i, 'Warehouse ' || i, time '06:00' + i * interval '15 minutes' FROM generate_series(1, 4) i;

INSERT INTO public.stock (warehouse_id, product_id, quantity)
SELECT w, lpad(to_hex(i), 32, '0')::uuid, (i * w) % 250 FROM generate_series(1, 3000) i, generate_series(1, 4) w;

INSERT INTO public.coupons (code, discount, valid, grace)
SELECT 'SAVE' || i, i % 50 / 3.0, daterange(date '2026-01-01' + i, date '2026-01-01' + i + 30), i * interval '1 hour'
FROM generate_series(1, 500) i;

INSERT INTO public.orders (customer_id, status, total, placed_at, note)
SELECT 1 + i % 12000, (ARRAY['placed','paid','shipped','returned'])[1 + i % 4]::order_status, (i % 50000) / 100.0,
       timestamptz '2020-01-01' + i * interval '3 minutes', CASE WHEN i % 10 = 0 THEN E'Ring twice.\tMind the \\ dog.\n' END
FROM generate_series(1, 30000) i;

INSERT INTO public.order_items (order_id, line_no, product_id, quantity, unit_price)
SELECT 1 + i / 2, 1 + i % 2, lpad(to_hex(1 + i % 3000), 32, '0')::uuid, 1 + i % 9, (100 + i % 9000) / 100.0
FROM generate_series(0, 59999) i;

INSERT INTO billing.invoices (id, order_id, amount, due, paid)
SELECT md5('invoice' || i)::uuid, i, (i % 50000) / 100.0, date '2020-02-01' + i % 2000, i % 3 > 0
FROM generate_series(1, 15000) i;

INSERT INTO billing.payments (invoice_id, method, amount, received_at)
SELECT md5('invoice' || i)::uuid, (ARRAY['card','transfer','cash'])[1 + i % 3], (i % 50000) / 100.0,
       timestamp '2020-02-01' + i * interval '11 minutes 0.123456 seconds'
FROM generate_series(1, 10000) i;

INSERT INTO public.audit_log (event, at, actor, action, detail)
SELECT md5('audit' || i)::uuid, timestamptz '2024-01-01' + i * interval '1 minute', '10.0.0.1'::inet + i % 200, 'login',
       jsonb_build_object('attempt', i % 4)
FROM generate_series(1, 8000) i;

INSERT INTO public.sessions SELECT md5('session' || i), i FROM generate_series(1, 1000) i;
