-- SPDX-License-Identifier: GPL-3.0-or-later
-- Copyright: Contributors to the Koji operator
-- From version 1.33 to 1.34: the hub's scheduler.

BEGIN;

CREATE TABLE scheduler_task_runs (
    id SERIAL PRIMARY KEY,
    task_id INTEGER NOT NULL REFERENCES task,
    host_id INTEGER NOT NULL REFERENCES host,
    active BOOLEAN NOT NULL DEFAULT true,
    create_time DOUBLE PRECISION NOT NULL
);
CREATE INDEX scheduler_task_runs_by_task ON scheduler_task_runs (task_id);
CREATE INDEX scheduler_task_runs_active ON scheduler_task_runs (id) WHERE active;

CREATE TABLE scheduler_host_data (
    host_id INTEGER UNIQUE NOT NULL REFERENCES host,
    data TEXT
);

CREATE TABLE scheduler_sys_data (
    name TEXT UNIQUE NOT NULL,
    data TEXT
);

CREATE TABLE scheduler_task_refusals (
    id SERIAL PRIMARY KEY,
    task_id INTEGER NOT NULL REFERENCES task,
    host_id INTEGER NOT NULL REFERENCES host,
    by_host BOOLEAN NOT NULL,
    soft BOOLEAN NOT NULL DEFAULT false,
    msg TEXT,
    time DOUBLE PRECISION NOT NULL,
    UNIQUE (task_id, host_id)
);

CREATE TABLE scheduler_log_messages (
    id SERIAL PRIMARY KEY,
    task_id INTEGER REFERENCES task,
    host_id INTEGER REFERENCES host,
    msg_time DOUBLE PRECISION NOT NULL,
    msg TEXT NOT NULL
);

INSERT INTO permissions (name, description) VALUES
    ('draft-promoter', 'The permission required in the default "draft_promotion" hub policy rule.');

COMMIT;
