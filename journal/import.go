package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// LoadImports reads the ends of the batches applied from the peer into its link.
func LoadImports(ctx context.Context, q sqldb.DB, p *Peer) error {
	p.Link.Imports = nil
	query := fmt.Sprintf("SELECT sender_epoch, sender_token, own_epoch FROM omsync_import WHERE peer_id = %d ORDER BY own_epoch, sender_epoch", p.ID)
	return sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		end := merge.Position{Epoch: sqldb.Uint(r[0]), Token: sqldb.Uint(r[1])}
		p.Link.Imports = append(p.Link.Imports, merge.AppliedBatch{Position: end, OwnEpoch: sqldb.Uint(r[2])})
		return nil
	})
}

// SaveImports writes the link's imports, where had are those that are stored: what follows the last common one is replaced.
func SaveImports(ctx context.Context, q sqldb.DB, p *Peer, had []merge.AppliedBatch) error {
	same := 0
	for same < len(had) && same < len(p.Link.Imports) && had[same] == p.Link.Imports[same] {
		same++
	}
	for _, m := range had[same:] {
		gone := fmt.Sprintf("DELETE FROM omsync_import WHERE peer_id = %d AND own_epoch = %d AND sender_epoch = %d", p.ID, m.OwnEpoch, m.Position.Epoch)
		if err := sqldb.Exec(ctx, q, gone); err != nil {
			return fmt.Errorf("save the imports from %s: %w", p.Name, err)
		}
	}
	for _, m := range p.Link.Imports[same:] {
		added := fmt.Sprintf("INSERT INTO omsync_import (peer_id, sender_epoch, sender_token, own_epoch) VALUES (%d, %d, %d, %d)",
			p.ID, m.Position.Epoch, m.Token, m.OwnEpoch)
		if err := sqldb.Exec(ctx, q, added); err != nil {
			return fmt.Errorf("save the imports from %s: %w", p.Name, err)
		}
	}
	return nil
}
