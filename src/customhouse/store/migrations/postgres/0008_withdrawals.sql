-- A client that does not want a held call any more ends what it asked for itself. It still approves nothing.
ALTER POLICY ends ON approval USING (state IN ('requested', 'approved'))
 WITH CHECK (state IN ('consumed', 'expired', 'revoked'));
