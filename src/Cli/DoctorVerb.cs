using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using System.Text.RegularExpressions;
using MimicD.Bridges.Mqtt;
using MimicD.Cluster.RabbitMq;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Cli;

/// <summary><c>mimicd doctor</c>: what is present, what is missing, which verb needs it and the command that installs it.</summary>
internal static partial class DoctorVerb
{
    public static Command Create()
    {
        var seed = Options.Seed();
        seed.Description = "Accepted as everywhere; nothing here is random.";
        var json = Options.Json();
        var command = new Command("doctor", """
            Says what is present, what is missing, which verb needs it, and the exact command that installs it.
            Exit code 0 when 'run' works, else 1.

            Example: mimicd doctor
            """)
        {
            seed, json,
        };
        command.SetAction(parsed =>
        {
            var output = Options.WritableJson(parsed.GetValue(json), "--json");
            var findings = Examine();
            var verbs = findings.SelectMany(f => f.NeededBy.Split(", ", StringSplitOptions.RemoveEmptyEntries)).Distinct(StringComparer.Ordinal).ToArray();
            var ready = verbs.Select(verb => new Readiness(verb, [.. findings.Where(f => f.Found is null && f.NeededBy.Split(", ").Contains(verb, StringComparer.Ordinal)).Select(f => f.Part)])).ToArray();
            if (output is not null)
            {
                AtomicFile.WriteText(output, StrictJson.Format(new DoctorResult(findings, ready)) + "\n");
            }

            // Lines and not a table: a command that is folded cannot be copied.
            foreach (var finding in findings)
            {
                var needed = finding.NeededBy.Length == 0 ? "" : $"  (for {finding.NeededBy})";
                Terminal.Line($"{(finding.Found is null ? "missing" : "present")}  {finding.Part,-28} {finding.Found}{needed}");
                if (finding.Found is null)
                {
                    Terminal.Line($"         install: {finding.Install}");
                }
            }

            Terminal.Line();
            foreach (var verb in ready)
            {
                Terminal.Line(verb.Missing.Length == 0 ? $"{verb.Verb,-9} ready" : $"{verb.Verb,-9} not ready: {string.Join(", ", verb.Missing)}");
            }

            return ready.Single(r => r.Verb == "run").Missing.Length == 0 ? 0 : CommandLine.Failure;
        });
        return command;
    }

    private static Finding[] Examine()
    {
        var native = Path.Combine(Environment.GetEnvironmentVariable("MIMICD_NATIVE") ?? Repository.File("build", "native"), "libmimicd_torch.so");
        return
        [
            new(".NET SDK 10", "run, experts, evaluate, train, test", Output("dotnet", "--version"), "curl -sSL https://dot.net/v1/dotnet-install.sh | bash -s -- --channel 10.0"),
            new("scenarios/swap.json", "run, experts", Present(Repository.File("scenarios", "swap.json")), "git checkout scenarios"),
            new("models/swap.safetensors", "run", Present(Repository.File("models", "swap.safetensors")), "git checkout models (or name another with --model)"),
            new("cmake", "train, test", Output("cmake", "--version"), Apt("cmake")),
            new("g++", "train, test", Output("g++", "--version"), Apt("g++")),
            new("libtorch (1.13 or newer)", "train, test", Torch(), Apt("libtorch-dev")),
            new("OpenBLAS with threads", "train, test", Torch() is { } torch && torch.StartsWith("CMAKE", StringComparison.Ordinal) ? "libtorch's own" : OpenBlas(), Apt("libopenblas0-pthread")),
            // Built on first use, so its absence keeps nobody from training.
            new("libtorch binding", "", File.Exists(native) ? "built" : "built by the first 'mimicd train'", ""),
            new("node (18 or newer)", "report, test", Output("node", "--version"), Apt("nodejs")),
            new("npm", "report, test", Output("npm", "--version"), Apt("npm")),
            // Built on first use as well.
            new("the report's script", "", File.Exists(Path.Combine(ReportVerb.Assets, "report.js")) ? "built" : "built by the first 'mimicd report'", ""),
            new(PrivateBroker.Package, "run --nodes, sweep --nodes, bench, test", PrivateBroker.IsInstalled ? "present" : null, Apt(PrivateBroker.Package)),
            new($"{MosquittoLink.Package} (2.0 or newer)", "bridge, robot, robot-check, test", MosquittoLink.LibraryVersion, Apt(MosquittoLink.Package)),
            new(MosquittoBroker.Package, "bridge, robot, robot-check, test", MosquittoBroker.IsInstalled ? "present" : null, Apt(MosquittoBroker.Package)),
            new("mosquitto-clients", "test", Program("mosquitto_sub"), Apt("mosquitto-clients")),
            new("jq", "test", Program("jq"), Apt("jq")),
            new("python3, paho-mqtt", "test", Output("/usr/bin/python3", "-c", "import paho.mqtt; print('paho-mqtt', paho.mqtt.__version__)"), Apt("python3-paho-mqtt")),
            new("iproute2", "test", Output("ip", "-V"), Apt("iproute2")),
            new("chromium", "test", Output("/usr/bin/chromium", "--version"), Apt("chromium")),
            new("python3, numpy, scipy, torch", "test", Output("/usr/bin/python3", "-c", "import numpy, scipy, torch; print('numpy', numpy.__version__ + ', scipy', scipy.__version__ + ', torch', torch.__version__)"), Apt("python3-numpy python3-scipy python3-torch")),
        ];
    }

    private static string Apt(string packages) => $"apt-get update && apt-get install -y --no-install-recommends {packages}";

    private static string? Program(string name)
        => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(d => d.Length > 0 && File.Exists(Path.Combine(d, name))) ? "present" : null;

    private static string? Present(string file) => File.Exists(file) ? "present" : null;

    private static string? Torch()
    {
        foreach (var prefix in (Environment.GetEnvironmentVariable("CMAKE_PREFIX_PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            if (Directory.Exists(Path.Combine(prefix, "share", "cmake", "Torch")) || File.Exists(Path.Combine(prefix, "TorchConfig.cmake")))
            {
                return $"CMAKE_PREFIX_PATH: {prefix}";
            }
        }

        const string header = "/usr/include/torch/csrc/api/include/torch/version.h";
        return File.Exists(header) ? string.Join('.', TorchVersion().Matches(File.ReadAllText(header)).Select(m => m.Groups["number"].Value)) : null;
    }

    private static string? OpenBlas()
        => Directory.Exists("/usr/lib") && Directory.EnumerateDirectories("/usr/lib", "*-linux-gnu*").Any(d => Directory.Exists(Path.Combine(d, "openblas-pthread"))) ? "present" : null;

    /// <summary>First line of what a program prints, or null when there is no such program or it fails.</summary>
    private static string? Output(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            var text = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? text.Split('\n')[0].Trim() : null;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    [GeneratedRegex("define TORCH_VERSION_(MAJOR|MINOR|PATCH) (?<number>[0-9]+)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex TorchVersion();

    private sealed record Finding(string Part, string NeededBy, string? Found, string Install);

    private sealed record Readiness(string Verb, string[] Missing);

    private sealed record DoctorResult(Finding[] Parts, Readiness[] Verbs);
}
