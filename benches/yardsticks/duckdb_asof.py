"""Correlates a file of gate events with DuckDB's ASOF join: the yardstick of `dwell replay`.

usage: duckdb_asof.py EVENTS.ndjson SESSIONS.csv TEMPORARY_FOLDER

Drops repeated events, matches each exit to the newest entry of its vehicle that is not later, and writes the remaining
events as unmatched. Prints the version of DuckDB.
"""

import sys

import duckdb

events, sessions, temporary = sys.argv[1:]
database = duckdb.connect()
database.execute("SET threads = 2")
database.execute(f"SET temp_directory = '{temporary}'")
database.execute(
    f"""
    CREATE TABLE event AS SELECT DISTINCT * FROM read_ndjson('{events}', columns = {{
        id: 'UUID', vehicle_plate: 'VARCHAR', lot_id: 'VARCHAR', entry_date_time: 'TIMESTAMP', exit_date_time: 'TIMESTAMP'
    }})
    """
)
database.execute(
    f"""
    COPY (
        WITH entry AS (SELECT id, lot_id, vehicle_plate, entry_date_time AS seen FROM event WHERE entry_date_time IS NOT NULL),
             leaving AS (SELECT id, lot_id, vehicle_plate, exit_date_time AS seen FROM event WHERE exit_date_time IS NOT NULL),
             stay AS (
                SELECT leaving.lot_id, leaving.vehicle_plate, entry.id AS entry_id, entry.seen AS entry_at,
                       leaving.id AS exit_id, leaving.seen AS exit_at
                FROM leaving ASOF LEFT JOIN entry
                  ON leaving.lot_id = entry.lot_id AND leaving.vehicle_plate = entry.vehicle_plate
                 AND leaving.seen >= entry.seen
             )
        SELECT *, epoch_ms(exit_at) - epoch_ms(entry_at) AS dwell_ms FROM stay
        UNION ALL
        SELECT lot_id, vehicle_plate, id, seen, NULL, NULL, NULL
        FROM entry ANTI JOIN stay ON entry.id = stay.entry_id
    ) TO '{sessions}' (HEADER, DELIMITER ',')
    """
)
print(duckdb.__version__)
