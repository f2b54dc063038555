# frozen_string_literal: true

# A small stand-in for Homebrew: evaluates one formula as if on a Mac, installs what it downloads
# (file:// only) into a prefix as Homebrew lays it out, runs its test, and renders its service as
# the property list that `brew services` would hand to launchd.
#
#   [HOMEBREW_STAND_IN_VERSION=6.0.12] ruby homebrew.rb FORMULA PREFIX arm|intel [test]
#
# Prints a JSON object that describes what the formula said and where things were put; the
# property list's path is in it. Whatever the stand-in does not know is a NoMethodError.
#
# Facts about Homebrew's behaviour: Library/Homebrew/service.rb (6.0.18), requirements/macos_requirement.rb
# and software_spec.rb of Homebrew/brew; stop_timeout came with 6.0.13 (Homebrew/brew#23294).

require "digest"
require "English"
require "fileutils"
require "json"
require "open3"
require "pathname"
require "socket"
require "tmpdir"
require "uri"

HOMEBREW_PREFIX = Pathname(ARGV.fetch(1))
PROCESSOR = ARGV.fetch(2).to_sym
VERSION = Gem::Version.new(ENV.fetch("HOMEBREW_STAND_IN_VERSION", "6.0.18"))

class Pathname
  # Homebrew's Pathname#install: moves each file or folder into this folder, keeping its name.
  def install(*sources)
    mkpath
    sources.each { |source| FileUtils.mv(source.to_s, to_s) }
  end

  # Homebrew's Pathname#install_symlink: relative links of the same names in this folder.
  def install_symlink(*sources)
    mkpath
    sources.each { |source| File.symlink(source.relative_path_from(self), self/source.basename) }
  end
end

# The property list of a service, key by key in Homebrew's order.
class Service
  SOCKET = %r{\A(?<type>[a-z]+)://(?<host>.+):(?<port>[0-9]+)\z}i

  attr_reader :root

  def initialize(formula, &block)
    @formula = formula
    @settings = {}
    @sockets = {}
    @root = false
    instance_eval(&block)
  end

  %i[opt_bin opt_sbin opt_libexec opt_pkgshare opt_prefix var].each do |folder|
    define_method(folder) { @formula.public_send(folder) }
  end

  def run(command) = @command = Array(command).map(&:to_s)
  def environment_variables(variables) = @settings[:EnvironmentVariables] = variables.transform_values(&:to_s)
  def keep_alive(value) = @settings[:KeepAlive] = value
  def require_root(value) = @root = value
  def log_path(path) = @settings[:StandardOutPath] = path.to_s
  def error_log_path(path) = @settings[:StandardErrorPath] = path.to_s

  def stop_timeout(value) = @settings[:ExitTimeOut] = value
  undef_method :stop_timeout if VERSION < Gem::Version.new("6.0.13")

  def sockets(value)
    value = { listeners: value } if value.is_a?(String)
    @sockets = value.transform_values do |text|
      parts = text.match(SOCKET) or raise TypeError, "not a socket: #{text}"
      { SockNodeName: parts[:host], SockServiceName: parts[:port], SockProtocol: parts[:type].upcase }
    end
  end

  def to_h
    base = { Label: "homebrew.mxcl.#{@formula.name}", ProgramArguments: @command, RunAtLoad: true }
    %i[StandardOutPath StandardErrorPath EnvironmentVariables KeepAlive].each do |key|
      base[key] = @settings[key] if @settings.key?(key)
    end
    base[:Sockets] = @sockets unless @sockets.empty?
    base[:ExitTimeOut] = @settings[:ExitTimeOut] if @settings.key?(:ExitTimeOut)
    base[:LimitLoadToSessionType] = %w[Aqua Background LoginWindow StandardIO System]
    base
  end

  def to_plist
    <<~XML
      <?xml version="1.0" encoding="UTF-8"?>
      <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
      <plist version="1.0">
      #{element(to_h)}
      </plist>
    XML
  end

  private

  def element(value)
    case value
    when Hash then "<dict>\n#{value.map { |key, inner| "<key>#{key}</key>\n#{element(inner)}" }.join("\n")}\n</dict>"
    when Array then "<array>\n#{value.map { |inner| element(inner) }.join("\n")}\n</array>"
    when true, false then "<#{value}/>"
    when Integer then "<integer>#{value}</integer>"
    else "<string>#{value.to_s.encode(xml: :text)}</string>"
    end
  end
end

class Formula
  FIELDS = %i[desc homepage version license url sha256].freeze

  class << self
    attr_reader :fields, :requirements, :service_block, :test_block

    def inherited(formula)
      super
      formula.instance_exec do
        @fields = {}
        @requirements = []
      end
      const_set(:ONLY, formula)
    end

    FIELDS.each { |field| define_method(field) { |value| @fields[field] = value } }

    def on_arm = (yield if PROCESSOR == :arm)
    def on_intel = (yield if PROCESSOR == :intel)
    def on_linux = nil

    def on_macos
      @inside = :macos
      yield
    ensure
      @inside = nil
    end

    def depends_on(requirement)
      where = @inside ? "#{requirement} on macOS" : requirement.to_s
      @requirements << where.delete(":{}")
    end

    def service(&block) = @service_block = block
    def test(&block) = @test_block = block
  end

  attr_reader :testpath

  def name = "launch_socket_server"
  def version = self.class.fields.fetch(:version)
  def prefix = HOMEBREW_PREFIX/"Cellar"/name/version
  def sbin = prefix/"sbin"
  def bin = prefix/"bin"
  def libexec = prefix/"libexec"
  def share = prefix/"share"
  def man8 = share/"man"/"man8"
  def pkgshare = share/name
  # Library/Homebrew/formula.rb
  def bash_completion = prefix/"etc/bash_completion.d"
  def zsh_completion = share/"zsh/site-functions"
  def fish_completion = share/"fish/vendor_completions.d"
  def var = HOMEBREW_PREFIX/"var"
  def opt_prefix = HOMEBREW_PREFIX/"opt"/name
  def opt_bin = opt_prefix/"bin"
  def opt_sbin = opt_prefix/"sbin"
  def opt_libexec = opt_prefix/"libexec"
  def opt_pkgshare = opt_prefix/"share"/name

  # Unpacks as Homebrew does: the one folder that an archive has at its top is entered.
  def pour
    archive = URI.decode_www_form_component(URI(self.class.fields.fetch(:url)).path)
    sum = Digest::SHA256.file(archive).hexdigest
    expected = self.class.fields.fetch(:sha256)
    raise "SHA-256 mismatch: #{archive} has #{sum} instead of #{expected}" if sum != expected

    Dir.mktmpdir("homebrew") do |folder|
      system("tar", "-xzf", archive, "-C", folder, exception: true)
      top = Pathname(folder).children
      Dir.chdir(top.one? ? top.first : folder) { install }
    end
    opt_prefix.dirname.mkpath
    File.symlink(prefix, opt_prefix)
    (var/"log").mkpath
  end

  def run_test
    Dir.mktmpdir("homebrew") do |folder|
      @testpath = Pathname(folder)
      Dir.chdir(folder) { instance_eval(&self.class.test_block) }
    end
  end

  def service = Service.new(self, &self.class.service_block)

  # Library/Homebrew/utils/inreplace.rb: it is an error when a file has nothing to replace.
  def inreplace(paths, before, after)
    raise "nothing to replace in" if paths.empty?

    paths.each do |path|
      text = File.read(path)
      raise "no #{before} in #{path}" unless text.include?(before)

      File.write(path, text.gsub(before, after.to_s))
    end
  end

  # What a formula's test may use.
  def shell_output(command, status = 0)
    output, process = Open3.capture2(command)
    raise "#{command} ended with #{process.exitstatus} instead of #{status}: #{output}" if process.exitstatus != status

    output
  end

  def free_port
    server = TCPServer.new("127.0.0.1", 0)
    server.addr[1]
  ensure
    server&.close
  end

  def assert(condition, message) = condition || raise("the formula's test failed: #{message}")
  def assert_equal(expected, actual) = assert(expected == actual, "#{actual.inspect} is not #{expected.inspect}")
  def assert_includes(text, part) = assert(text.include?(part), "#{text.inspect} lacks #{part.inspect}")

  def assert_match(pattern, text)
    assert(Regexp.new(pattern.is_a?(String) ? Regexp.escape(pattern) : pattern).match?(text),
           "#{text.inspect} does not match #{pattern.inspect}")
  end
end

load ARGV.fetch(0)
formula = Formula::ONLY.new
formula.pour unless formula.opt_prefix.exist?
formula.run_test if ARGV[3] == "test"
service = formula.service
plist = HOMEBREW_PREFIX/"#{service.to_h.fetch(:Label)}.plist"
plist.write(service.to_plist)
puts JSON.generate(
  formula.class.fields.merge(
    requirements:  formula.class.requirements,
    caveats:       formula.caveats,
    requires_root: service.root,
    prefix:        formula.prefix,
    opt_prefix:    formula.opt_prefix,
    plist:         plist
  )
)
