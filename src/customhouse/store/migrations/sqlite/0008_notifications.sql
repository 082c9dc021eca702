-- Which held calls people have been told of, over which channel: an outbox. A row that is due is sent, or sent again.
CREATE TABLE notification (
    tenant_id TEXT NOT NULL, approval TEXT NOT NULL, channel TEXT NOT NULL, stage TEXT NOT NULL,
    attempts INTEGER NOT NULL, due_at_us INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, approval, channel),
    FOREIGN KEY (tenant_id, approval) REFERENCES approval (tenant_id, id)
) STRICT, WITHOUT ROWID;
