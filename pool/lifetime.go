package pool

import "time"

// maxYounger is the share of server_lifetime that a backend may have less, so that
// those which were opened together, as after a restart, are not opened anew together.
const maxYounger = 0.1

// outlived tells whether the backend is too old to be lent again.
func (b *Backend) outlived(lifetime, now time.Duration) bool {
	if lifetime == 0 {
		return b.used
	}
	return now-b.opened > lifetime-time.Duration(b.younger*float64(lifetime))
}
