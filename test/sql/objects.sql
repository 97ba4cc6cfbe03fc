-- What CREATE EXTENSION makes, and who may use it.
SET search_path = pg_catalog;
\pset format unaligned
\pset tuples_only on

-- every object; whoever adds one adds it here
SELECT pg_describe_object(classid, objid, 0)
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND
	refobjid = (SELECT oid FROM pg_extension WHERE extname = 'evaudit') AND
	-- row types belong to their tables; 17 lists them by themselves
	NOT (classid = 'pg_type'::regclass AND EXISTS (
		SELECT FROM pg_type t WHERE t.oid = objid AND
		(t.typrelid <> 0 AND (SELECT relkind FROM pg_class WHERE oid = t.typrelid) <> 'c' OR
		 t.typelem <> 0))) AND
	-- segments of audit are made as it grows
	pg_describe_object(classid, objid, 0) !~ '^table evaudit\.audit_[0-9]+$'
ORDER BY pg_describe_object(classid, objid, 0) COLLATE "C";

-- without a comment: nothing but sequences
SELECT pg_describe_object(classid, objid, 0)
FROM pg_depend d
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND
	refobjid = (SELECT oid FROM pg_extension WHERE extname = 'evaudit') AND
	NOT EXISTS (SELECT FROM pg_description c
				WHERE c.classoid = d.classid AND c.objoid = d.objid AND c.objsubid = 0) AND
	classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_namespace'::regclass,
				'pg_foreign_data_wrapper'::regclass)
ORDER BY 1;

-- columns of the public tables and views without a comment
SELECT a.attrelid::regclass, string_agg(a.attname, ' ' ORDER BY a.attnum)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE a.attrelid IN ('public.configuration'::regclass, 'public.audit'::regclass,
		'public.user_services'::regclass) AND
	a.attnum > 0 AND NOT a.attisdropped AND
	col_description(a.attrelid, a.attnum) IS NULL
GROUP BY 1 ORDER BY 1;

-- what everybody may do: functions, then tables and views, then schemas
SELECT p.oid::regprocedure
FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND
	d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'evaudit') AND
	EXISTS (SELECT FROM aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner)))
			WHERE grantee = 0)
ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT c.oid::regclass, string_agg(privilege_type, ' ' ORDER BY privilege_type)
FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass,
	aclexplode(c.relacl) a
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND a.grantee = 0 AND
	d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'evaudit')
GROUP BY 1 ORDER BY c.oid::regclass::text COLLATE "C";
SELECT privilege_type FROM pg_namespace n, aclexplode(nspacl) a
WHERE nspname = 'evaudit' AND a.grantee = 0;

-- what runs with the rights of its owner
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace = 'evaudit'::regnamespace AND p.prosecdef;

-- pg_restore --jobs restores tables in any order: foreign keys would fail
SELECT conrelid::regclass, conname FROM pg_constraint
WHERE contype = 'f' AND connamespace IN ('evaudit'::regnamespace, 'public'::regnamespace);
