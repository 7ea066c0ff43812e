-- SPDX-License-Identifier: GPL-3.0-or-later
-- Copyright: Contributors to the Koji operator
-- From version 1.34 to 1.35. Like Koji's own it can't be run twice.

BEGIN;

CREATE TABLE repo_queue (
    id SERIAL PRIMARY KEY,
    create_time DOUBLE PRECISION NOT NULL,
    owner INTEGER REFERENCES users,
    priority INTEGER NOT NULL,
    tag_id INTEGER NOT NULL REFERENCES tag,
    at_event INTEGER REFERENCES events,
    min_event INTEGER REFERENCES events,
    opts TEXT,
    update_time DOUBLE PRECISION NOT NULL,
    active BOOLEAN NOT NULL DEFAULT true,
    task_id INTEGER REFERENCES task,
    tries INTEGER DEFAULT 0,
    repo_id INTEGER REFERENCES repo
);

COMMIT;
