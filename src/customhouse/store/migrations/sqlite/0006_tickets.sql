-- A ticket that was redeemed: its id alone, until it has expired. Who comes second is refused by the key.
CREATE TABLE ticket_redemption (
    tenant_id TEXT NOT NULL, id TEXT NOT NULL, expires_us INTEGER NOT NULL, redeemed_us INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_redemption_expires ON ticket_redemption (expires_us);
