package authquery

import (
	"context"
	"errors"

	"pgweir/asking"
	"pgweir/passwords"
)

const (
	// maxRoles and maxRolesBytes bound the roles of one user: above either the answer is
	// an error, so that nobody is taken for less than they are.
	maxRoles      = 10_000
	maxRolesBytes = 1 << 20
)

// rolesQuery gives the user $1 and the roles that it is a member of, directly or
// through others, whatever the membership's options are: as PostgreSQL sees it where
// pg_hba.conf says +role. To it a superuser is no member for being one. Everybody may
// read these catalogs.
const rolesQuery = `WITH RECURSIVE found AS (
 SELECT r.oid AS id FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) $1
 UNION
 SELECT m.roleid FROM pg_catalog.pg_auth_members m, found f WHERE m.member OPERATOR(pg_catalog.=) f.id)
SELECT r.rolname FROM pg_catalog.pg_roles r, found f WHERE r.oid OPERATOR(pg_catalog.=) f.id`

// roles implements conn.
func (t *talk) roles(ctx context.Context, name string) (map[string]bool, error) {
	rows := t.conn.ExecParams(ctx, rolesQuery, [][]byte{[]byte(name)}, nil, nil, nil)
	found, bytes := map[string]bool{}, 0
	var wrong error
	for rows.NextRow() {
		role := string(rows.Values()[0])
		if bytes += len(role); len(found) == maxRoles || bytes > maxRolesBytes {
			wrong = errors.New("the user is a member of too many roles")
			continue
		}
		found[role] = true
	}
	_, err := rows.Close()
	switch {
	case notAName(err):
		return map[string]bool{}, nil
	case err != nil:
		return nil, asking.Shortened(err)
	case wrong != nil:
		return nil, wrong
	case !found[name]: // the name of another, which a longer one was cut to
		return map[string]bool{}, nil
	}
	return found, nil
}

// Roles asks a source once for the roles of a user, over a connection that is closed
// again. The error is as that of Try.
func Roles(ctx context.Context, s Source, list passwords.List, name string) (map[string]bool, error) {
	c, err := openOnce(ctx, s, list)
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.roles(ctx, name)
}
