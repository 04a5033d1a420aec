class Pgweir < Formula
  desc "Connection pooler for PostgreSQL"
  homepage "{{.URL}}"
  version "{{.Version}}"
  license "MIT"

  on_macos do
{{- range .MacOS}}
    on_{{.CPU}} do
      url "{{$.URL}}/{{.File}}"
      sha256 "{{.Sum}}"
    end
{{- end}}
  end

  on_linux do
{{- range .Linux}}
    on_{{.CPU}} do
      url "{{$.URL}}/{{.File}}"
      sha256 "{{.Sum}}"
    end
{{- end}}
  end

  def install
    bin.install "pgweir"
    man1.install "pgweir.1"
    bash_completion.install "completions/pgweir.bash" => "pgweir"
    zsh_completion.install "completions/_pgweir"
    fish_completion.install "completions/pgweir.fish"
    (etc/"pgweir").install "config.toml" unless (etc/"pgweir/config.toml").exist?
    doc.install "README.md", "CHANGELOG.md", "THIRD_PARTY_LICENSES"
  end

  service do
    run [opt_bin/"pgweir", "serve", "-c", etc/"pgweir/config.toml"]
    keep_alive true
    log_path var/"log/pgweir.log"
    error_log_path var/"log/pgweir.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/pgweir version")
    (testpath/"config.toml").write "[databases.app]\n"
    assert_match "ok", shell_output("#{bin}/pgweir check -c #{testpath}/config.toml")
  end
end
