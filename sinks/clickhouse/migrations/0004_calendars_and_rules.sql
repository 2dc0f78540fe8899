-- What was agreed for a turn: the version of the calendar that its business time is measured with, empty: around the clock; and the rule
-- that gave its target, empty: the account's own target.
ALTER TABLE turns_versions ADD COLUMN IF NOT EXISTS calendar LowCardinality(String) AFTER skewed;
ALTER TABLE turns_versions ADD COLUMN IF NOT EXISTS rule LowCardinality(String) AFTER calendar;

-- A view has the columns of the day it was made.
CREATE OR REPLACE VIEW turns AS
SELECT * EXCEPT (version) FROM turns_versions FINAL WHERE status != 'withdrawn';
