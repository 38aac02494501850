using System.Diagnostics;

namespace MimicD.EndToEndTests;

/// <summary>The entry script under whatever its caller's shell exports. A checkout is made up, and a dotnet that only says what it is asked for.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class EntryScriptTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly string _checkout;

    public EntryScriptTests()
    {
        _checkout = _scratch["-a check out"];
        Directory.CreateDirectory(Path.Combine(_checkout, "src"));
        Directory.CreateDirectory(_scratch["elsewhere/src"]);
        Directory.CreateDirectory(_scratch["bin"]);
        foreach (var file in new[] { "Directory.Build.props", "Directory.Packages.props", "global.json", ".editorconfig" })
        {
            File.WriteAllText(Path.Combine(_checkout, file), "");
        }

        File.Copy(Path.Combine(EntryPoint.Root, "mimicd"), Path.Combine(_checkout, "mimicd"));
        File.WriteAllText(_scratch["bin/dotnet"], """
            #!/bin/sh
            [ "$1" = build ] && { [ -n "${VERSION:-}${Platform:-}" ] && exit 1; exit 0; }
            echo "root $MIMICD_ROOT"
            echo "home ${HOME:-none}"
            echo "temporary ${TMPDIR:-none}"
            shift
            for word in "$@"; do echo "word $word"; done
            """);
        File.SetUnixFileMode(_scratch["bin/dotnet"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("")]
    [InlineData("CDPATH", "/:.:..")]
    [InlineData("GREP_OPTIONS", "--invalid")]
    [InlineData("IFS", "/")]
    [InlineData("BASH_FUNC_cd%%", "() { echo nowhere; }")]
    [InlineData("BASH_FUNC_dirname%%", "() { echo nowhere; }")]
    [InlineData("BASH_FUNC_find%%", "() { false; }")]
    [InlineData("SHELLOPTS", "noclobber:noglob:posix")]
    [InlineData("POSIXLY_CORRECT", "1")]
    [InlineData("VERSION", "no version")]
    [InlineData("Platform", "none")]
    [InlineData("TMPDIR", "/nonexistent/folder")]
    [InlineData("HOME", null)]
    [InlineData("HOME", "/nonexistent/home")]
    public void The_script_does_the_same_whatever_is_exported(string variable, string? value = "")
    {
        var (code, output, errors) = Run(_checkout, "./mimicd", variable.Length == 0 ? null : (variable, value));
        Assert.True(code == 0, errors);
        Assert.Equal($"root {_checkout}", output[0]);
        Assert.DoesNotContain("home none", output);
        Assert.DoesNotContain("temporary /nonexistent/folder", output);
        Assert.Equal(["word evaluate", "word a b", "word *"], output[3..]);
        Assert.False(File.Exists(Path.Combine(_checkout, "src", "build")));
    }

    [Fact]
    public void The_script_finds_its_checkout_through_links_from_another_folder()
    {
        File.CreateSymbolicLink(_scratch["first"], "-a check out/mimicd");
        File.CreateSymbolicLink(_scratch["elsewhere/second"], "../first");
        var (code, output, errors) = Run(_scratch["elsewhere"], "./second", ("CDPATH", _scratch.Folder));
        Assert.True(code == 0, errors);
        Assert.Equal($"root {_checkout}", output[0]);
    }

    [Theory]
    [InlineData("2>&-")]
    [InlineData("2>/dev/full")]
    [InlineData("0<&- 2>&-")]
    public void The_script_goes_on_where_it_cannot_say_what_it_does(string redirection)
    {
        var (code, output, _) = Run(_checkout, "./mimicd", null, redirection);
        Assert.Equal((0, $"root {_checkout}"), (code, output[0]));
    }

    private (int Code, string[] Output, string Errors) Run(string folder, string script, (string Name, string? Value)? variable, string redirection = "")
    {
        var start = new ProcessStartInfo("sh", ["-c", $"exec {script} \"$@\" {redirection}", "sh", "evaluate", "a b", "*"]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["PATH"] = $"{_scratch["bin"]}:{Environment.GetEnvironmentVariable("PATH")}";
        foreach (var inherited in new[] { "MIMICD_ROOT", "MIMICD_ENTRY", "MIMICD_STOP_WITH_INPUT", "VERSION", "Platform" })
        {
            start.Environment.Remove(inherited);
        }

        if (variable is var (name, value))
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output.Split('\n', StringSplitOptions.RemoveEmptyEntries), errors.Result);
    }
}
