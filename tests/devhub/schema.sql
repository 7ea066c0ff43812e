-- SPDX-License-Identifier: GPL-3.0-or-later
-- Copyright: Contributors to the Koji operator
-- What core/schema.py describes, for PostgreSQL. Times are seconds since the epoch. In an image it is Koji's
-- /usr/share/koji/schema.sql, and like that one it is of version 1.35, a transaction, and has what is there from the start.

BEGIN WORK;

CREATE TABLE events (
    id SERIAL PRIMARY KEY,
    time DOUBLE PRECISION NOT NULL DEFAULT extract(epoch FROM clock_timestamp())
);

-- For whoever writes to versioned tables from outside the hub.
CREATE FUNCTION get_event() RETURNS INTEGER AS '
    INSERT INTO events DEFAULT VALUES;
    SELECT currval(''events_id_seq'')::INTEGER;
' LANGUAGE SQL;

CREATE TABLE users (
    id SERIAL PRIMARY KEY,
    name VARCHAR(255) UNIQUE NOT NULL,
    password VARCHAR(255),
    status INTEGER NOT NULL,
    usertype INTEGER NOT NULL
);

CREATE TABLE user_krb_principals (
    user_id INTEGER NOT NULL REFERENCES users,
    krb_principal VARCHAR(255) UNIQUE NOT NULL
);

CREATE TABLE permissions (
    id SERIAL PRIMARY KEY,
    name VARCHAR(50) UNIQUE NOT NULL,
    description TEXT
);

-- Versioned: a row is revoked, not changed. active is true or NULL, so that only one can be active.
CREATE TABLE user_perms (
    user_id INTEGER NOT NULL REFERENCES users,
    perm_id INTEGER NOT NULL REFERENCES permissions,
    create_event INTEGER NOT NULL DEFAULT get_event() REFERENCES events,
    revoke_event INTEGER REFERENCES events,
    creator_id INTEGER NOT NULL REFERENCES users,
    revoker_id INTEGER REFERENCES users,
    active BOOLEAN DEFAULT true CHECK (active),
    UNIQUE (user_id, perm_id, active),
    UNIQUE (create_event, user_id, perm_id)
);

CREATE TABLE user_groups (
    user_id INTEGER NOT NULL REFERENCES users,
    group_id INTEGER NOT NULL REFERENCES users,
    create_event INTEGER NOT NULL DEFAULT get_event() REFERENCES events,
    revoke_event INTEGER REFERENCES events,
    creator_id INTEGER NOT NULL REFERENCES users,
    revoker_id INTEGER REFERENCES users,
    active BOOLEAN DEFAULT true CHECK (active),
    UNIQUE (user_id, group_id, active),
    UNIQUE (create_event, user_id, group_id)
);

-- master is the session that this is a subsession of; exclusive is true or NULL: one a user.
CREATE TABLE sessions (
    id SERIAL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users,
    expired BOOLEAN NOT NULL DEFAULT false,
    master INTEGER REFERENCES sessions,
    key VARCHAR(255),
    authtype INTEGER,
    hostip VARCHAR(255),
    callnum INTEGER,
    start_time DOUBLE PRECISION NOT NULL,
    update_time DOUBLE PRECISION NOT NULL,
    exclusive BOOLEAN CHECK (exclusive),
    closed BOOLEAN NOT NULL DEFAULT false,
    renew_time DOUBLE PRECISION,
    CHECK (master IS NULL OR exclusive IS NULL),
    CHECK (NOT closed OR exclusive IS NULL),
    UNIQUE (user_id, exclusive)
);
CREATE INDEX sessions_by_master ON sessions (master);

CREATE TABLE channels (
    id SERIAL PRIMARY KEY,
    name VARCHAR(128) UNIQUE NOT NULL,
    description TEXT,
    enabled BOOLEAN NOT NULL DEFAULT true,
    comment TEXT
);

CREATE TABLE host (
    id SERIAL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users,
    name VARCHAR(128) UNIQUE NOT NULL,
    update_time DOUBLE PRECISION,
    task_load DOUBLE PRECISION NOT NULL DEFAULT 0.0 CHECK (task_load >= 0),
    ready BOOLEAN NOT NULL DEFAULT false
);

CREATE TABLE host_config (
    host_id INTEGER NOT NULL REFERENCES host,
    arches TEXT,
    capacity DOUBLE PRECISION NOT NULL DEFAULT 2.0 CHECK (capacity > 1),
    description TEXT,
    comment TEXT,
    enabled BOOLEAN NOT NULL DEFAULT true,
    create_event INTEGER NOT NULL DEFAULT get_event() REFERENCES events,
    revoke_event INTEGER REFERENCES events,
    creator_id INTEGER NOT NULL REFERENCES users,
    revoker_id INTEGER REFERENCES users,
    active BOOLEAN DEFAULT true CHECK (active),
    UNIQUE (host_id, active),
    UNIQUE (create_event, host_id)
);

CREATE TABLE host_channels (
    host_id INTEGER NOT NULL REFERENCES host,
    channel_id INTEGER NOT NULL REFERENCES channels,
    create_event INTEGER NOT NULL DEFAULT get_event() REFERENCES events,
    revoke_event INTEGER REFERENCES events,
    creator_id INTEGER NOT NULL REFERENCES users,
    revoker_id INTEGER REFERENCES users,
    active BOOLEAN DEFAULT true CHECK (active),
    UNIQUE (host_id, channel_id, active),
    UNIQUE (create_event, host_id, channel_id)
);

-- request and result are XML-RPC; host_id is who has it assigned or open.
CREATE TABLE task (
    id SERIAL PRIMARY KEY,
    state INTEGER,
    create_time DOUBLE PRECISION NOT NULL,
    start_time DOUBLE PRECISION,
    completion_time DOUBLE PRECISION,
    channel_id INTEGER NOT NULL REFERENCES channels,
    host_id INTEGER REFERENCES host,
    parent INTEGER REFERENCES task,
    label VARCHAR(255),
    waiting BOOLEAN,
    awaited BOOLEAN,
    owner INTEGER NOT NULL REFERENCES users,
    method TEXT,
    request TEXT,
    result TEXT,
    arch VARCHAR(16) NOT NULL,
    priority INTEGER,
    weight DOUBLE PRECISION NOT NULL DEFAULT 1.0 CHECK (weight >= 0),
    CHECK (parent IS NOT NULL OR label IS NULL),
    UNIQUE (parent, label)
);
CREATE INDEX task_by_state ON task (state);
CREATE INDEX task_by_host ON task (host_id);

CREATE TABLE tag (
    id SERIAL PRIMARY KEY,
    name VARCHAR(256) UNIQUE NOT NULL
);

CREATE TABLE tag_config (
    tag_id INTEGER NOT NULL REFERENCES tag,
    arches TEXT,
    create_event INTEGER NOT NULL DEFAULT get_event() REFERENCES events,
    revoke_event INTEGER REFERENCES events,
    creator_id INTEGER NOT NULL REFERENCES users,
    revoker_id INTEGER REFERENCES users,
    active BOOLEAN DEFAULT true CHECK (active),
    UNIQUE (tag_id, active),
    UNIQUE (create_event, tag_id)
);

CREATE TABLE tag_extra (
    tag_id INTEGER NOT NULL REFERENCES tag,
    key TEXT NOT NULL,
    value TEXT,
    create_event INTEGER NOT NULL DEFAULT get_event() REFERENCES events,
    revoke_event INTEGER REFERENCES events,
    creator_id INTEGER NOT NULL REFERENCES users,
    revoker_id INTEGER REFERENCES users,
    active BOOLEAN DEFAULT true CHECK (active),
    UNIQUE (tag_id, key, active),
    UNIQUE (create_event, tag_id, key)
);

CREATE TABLE repo (
    id SERIAL PRIMARY KEY,
    tag_id INTEGER NOT NULL REFERENCES tag,
    create_event INTEGER NOT NULL REFERENCES events,
    begin_event INTEGER REFERENCES events,
    end_event INTEGER REFERENCES events,
    state INTEGER NOT NULL,
    creation_time DOUBLE PRECISION,
    state_time DOUBLE PRECISION,
    dist BOOLEAN DEFAULT false,
    opts TEXT,
    custom_opts TEXT,
    task_id INTEGER REFERENCES task
);

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

-- By these a schema's version can be told, as a real one's; nothing uses them here.
CREATE TABLE archivetypes (
    id SERIAL PRIMARY KEY,
    name TEXT UNIQUE NOT NULL
);

INSERT INTO permissions (name, description) VALUES
    ('admin', 'Full administrator access. Perform all actions.'),
    ('appliance', 'Create appliance builds - deprecated.'),
    ('dist-repo', 'Create a dist-repo.'),
    ('host', 'Add, remove, enable, disable hosts and channels.'),
    ('image', 'Start image tasks.'),
    ('image-import', 'Import image archives.'),
    ('livecd', 'Start livecd tasks.'),
    ('maven-import', 'Import maven archives.'),
    ('repo', 'Manage repos: newRepo, repoExpire, repoDelete, repoProblem.'),
    ('sign', 'Import RPM signatures and write signed RPMs.'),
    ('tag', 'Manage packages in tags: add, block, remove, and clone tags.'),
    ('target', 'Add, edit, and remove targets.'),
    ('win-admin', 'The default hub policy rule for "vm" requires this permission to trigger Windows builds.'),
    ('win-import', 'Import win archives.'),
    ('draft-promoter', 'The permission required in the default "draft_promotion" hub policy rule.');
INSERT INTO channels (name) VALUES ('default'), ('createrepo'), ('maven'), ('livecd'), ('appliance'), ('vm'), ('image'), ('livemedia');
INSERT INTO archivetypes (name) VALUES ('jar'), ('zip');

COMMIT WORK;
