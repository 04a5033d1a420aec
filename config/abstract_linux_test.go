package config

import "testing"

func TestAnAbstractSocketIsNoPath(t *testing.T) {
	c, err := Parse("/etc/pgweir/config.toml", []byte("unix_socket_dir = '@weir'\n[databases.app]\nhost = '@pg'"))
	if err != nil || c.UnixSocketDir != "@weir" || SocketPath(c.UnixSocketDir, 6432) != "@weir/.s.PGSQL.6432" {
		t.Fatalf("%+v, %v", c, err)
	}
	if network, address := c.Databases["app"].Servers()[0].Address(); network != "unix" || address != "@pg/.s.PGSQL.5432" {
		t.Error(network, address)
	}
	c, err = Parse("config.toml", []byte("unix_socket_dir = './@weir'"))
	if err != nil || SocketPath(c.UnixSocketDir, 6432) != "./@weir/.s.PGSQL.6432" {
		t.Errorf("a folder: %+v, %v", c, err)
	}
}
