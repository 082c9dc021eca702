-- ticket_redeem --
-- Take a ticket, once: whoever comes second is refused by the key.
INSERT INTO ticket_redemption (tenant_id, id, expires_us, redeemed_us) VALUES (:tenant, :id, :expires_us, :redeemed_us);

-- ticket_forget --
-- Take away some tickets that have expired. Organisation-wide: that they were redeemed is evidence.
DELETE FROM ticket_redemption WHERE (tenant_id, id) IN (
       SELECT tenant_id, id FROM ticket_redemption WHERE expires_us <= :before_us ORDER BY expires_us LIMIT :limit);
