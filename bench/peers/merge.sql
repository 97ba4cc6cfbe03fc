INSERT INTO user_services AS t (user_id, service_id, service_name, last_accessed)
SELECT DISTINCT ON (user_id, service_id) user_id, service_id, service_name, last_accessed
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
  AS m (user_id, service_id, service_name, last_accessed)
ORDER BY user_id, service_id, last_accessed DESC
ON CONFLICT (user_id, service_id) DO UPDATE
SET service_name = EXCLUDED.service_name, last_accessed = EXCLUDED.last_accessed
WHERE t.last_accessed < EXCLUDED.last_accessed
