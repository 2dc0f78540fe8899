-- Which version of a calendar the business time of a turn was measured with; empty: around the clock, as all turns until now.
ALTER TABLE turns_versions ADD COLUMN IF NOT EXISTS calendar LowCardinality(String) AFTER skewed;

-- A view has the columns of the day it was made.
CREATE OR REPLACE VIEW turns AS
SELECT * EXCEPT (version) FROM turns_versions FINAL WHERE status != 'withdrawn';
