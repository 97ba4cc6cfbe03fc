<?php
// The front of docs/http.md.
$db = pg_pconnect(getenv('DSN'));
$result = pg_query_params($db, 'SELECT status, headers, body FROM evaudit.http($1, $2, $3, $4)',
    [$_SERVER['REQUEST_METHOD'], $_SERVER['REQUEST_URI'], json_encode((object) getallheaders()),
     '\x' . bin2hex(file_get_contents('php://input'))]);
if (!$result) { http_response_code(503); exit; }
$row = pg_fetch_assoc($result);
http_response_code((int) $row['status']);
foreach (json_decode($row['headers'], true) as $name => $value) header("$name: $value");
echo pg_unescape_bytea($row['body']);
