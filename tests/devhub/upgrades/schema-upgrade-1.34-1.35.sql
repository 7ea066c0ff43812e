-- SPDX-License-Identifier: GPL-3.0-or-later
-- Copyright: Contributors to the Koji operator
-- From version 1.34 to 1.35. Like Koji's own it can't be run twice.

BEGIN;

CREATE TABLE repo_queue (
    id SERIAL PRIMARY KEY
);

COMMIT;
