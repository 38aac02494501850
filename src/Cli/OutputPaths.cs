using System.CommandLine;
using System.CommandLine.Parsing;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Cli;

/// <summary>No file that a command writes is one that it reads, or one that it writes otherwise.</summary>
internal static class OutputPaths
{
    private static readonly string[] Outputs = ["--json", "--out", "--table", "--archive", "--outcomes", "--record", "--contract"];

    /// <summary>Throws where an output is also an input, or two outputs are one.</summary>
    /// <exception cref="InvalidInputException">They are.</exception>
    public static void Require(ParseResult parsed)
    {
        ArgumentNullException.ThrowIfNull(parsed);
        var given = parsed.CommandResult.Children.OfType<OptionResult>().Where(o => !o.Implicit).ToArray();
        var written = given.Where(o => Outputs.Contains(o.Option.Name, StringComparer.Ordinal)).SelectMany(o => o.Tokens.Select(t => (o.Option.Name, t.Value))).ToArray();
        if (written.Length == 0)
        {
            return;
        }

        var read = given.Where(o => !Outputs.Contains(o.Option.Name, StringComparer.Ordinal)).SelectMany(o => o.Tokens.Select(t => (o.Option.Name, t.Value)))
            .Concat(parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(a => a.Tokens.Select(t => (a.Argument.Name, t.Value))))
            .Where(t => t.Value.Length > 0 && File.Exists(t.Value)).ToArray();
        for (var i = 0; i < written.Length; i++)
        {
            var (option, path) = written[i];
            var input = Array.Find(read, r => Same(r.Value, path));
            InvalidInputException.Require(input.Value is null, $"{option} {path}", "", $"another file than what {input.Name} reads", "the same");
            var twin = Array.Find(written[(i + 1)..], w => path.Length > 0 && Same(w.Value, path));
            InvalidInputException.Require(twin.Value is null || !IsPlain(path), $"{option} {path}", "", $"another file than what {twin.Name} writes", "the same");
        }
    }

    /// <summary>Whether a file that a command writes is standard output, as in <c>--json /dev/stdout | jq .</c>.</summary>
    public static bool TakeOutput(ParseResult parsed)
    {
        ArgumentNullException.ThrowIfNull(parsed);
        return parsed.CommandResult.Children.OfType<OptionResult>().Any(o => !o.Implicit && Outputs.Contains(o.Option.Name, StringComparer.Ordinal) && o.Tokens.Any(t => AtomicFile.IsStandardOutput(t.Value)));
    }

    // Two records on one terminal are as good as one.
    private static bool IsPlain(string path) => !path.StartsWith("/dev/", StringComparison.Ordinal) && !path.StartsWith("/proc/", StringComparison.Ordinal);

    private static bool Same(string a, string b) => a.Length > 0 && b.Length > 0 && Final(a) == Final(b);

    private static string Final(string path)
    {
        var full = Path.GetFullPath(path).TrimEnd('/');
        return new FileInfo(full).LinkTarget is null ? full : File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full;
    }
}
