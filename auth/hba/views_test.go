package hba

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// disk reads files under a folder.
func disk(root string) Files {
	return Files{
		Read: func(path string) ([]byte, error) { return os.ReadFile(filepath.Join(root, path)) },
		List: func(dir string) ([]string, error) {
			entries, err := os.ReadDir(filepath.Join(root, dir))
			var names []string
			for _, e := range entries {
				if !e.IsDir() {
					names = append(names, e.Name())
				}
			}
			return names, err
		},
	}
}

// seen is a line as PostgreSQL's views show it: pg_hba_file_rules or
// pg_ident_file_mappings.
type seen struct {
	File       string   `json:"file_name"` // since 16
	Line       int      `json:"line_number"`
	Type       string   `json:"type"`
	Databases  []string `json:"database"`
	Users      []string `json:"user_name"`
	Address    string   `json:"address"`
	Netmask    string   `json:"netmask"`
	Method     string   `json:"auth_method"`
	Options    []string `json:"options"`
	MapName    string   `json:"map_name"`
	SystemUser string   `json:"sys_name"`
	User       string   `json:"pg_username"`
	Error      *string  `json:"error"`
}

func (s seen) text() string {
	s.File, s.Line, s.Error = "", 0, nil
	data, _ := json.Marshal(s)
	return string(data)
}

// texts gives the words of a field as the views do: without quotes.
func texts(f field) (out []string) {
	for _, t := range f {
		out = append(out, t.text)
	}
	return out
}

// show gives our reading of a line as pg_hba_file_rules does.
func show(r *Rule) seen {
	s := seen{Type: r.Type.String(), Databases: texts(r.databases.field), Users: texts(r.users.field), Method: r.Method.String()}
	if r.Type != Local {
		switch r.address.reach {
		case inRange:
			s.Address, s.Netmask = r.address.addr.String(), r.address.mask.String()
		case byName:
			s.Address = r.address.name
		default:
			s.Address = r.address.String()
		}
	}
	if r.Map != "" {
		s.Options = append(s.Options, "map="+r.Map)
	}
	if r.ClientCert == CertVerifyCA {
		s.Options = append(s.Options, "clientcert=verify-ca")
	}
	if r.ClientCert == CertVerifyFull {
		s.Options = append(s.Options, "clientcert=verify-full")
	}
	if r.LDAP != nil {
		s.Options = directory(r.LDAP)
	}
	return s
}
