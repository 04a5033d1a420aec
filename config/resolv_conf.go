package config

// names reads the resolv.conf of the servers' names. What it says is for who puts the
// configuration in force to find out.
func (p *parser) names() {
	c := p.config
	if c.ResolvConf == "" {
		return
	}
	data, err := readFile(c.ResolvConf)
	if err != nil {
		p.problem([]string{"resolv_conf"}, "resolv_conf: %s: %s", printable(c.ResolvConf), err)
	}
	c.ResolvConfData = data
}
