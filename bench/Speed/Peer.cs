using System.ComponentModel;
using System.Diagnostics;
using MimicD.Contracts;

namespace MimicD.Bench.Speed;

/// <summary>A program of others that is measured beside ours: it answers each line with a line, and ends when its input does.</summary>
internal sealed class Peer : IDisposable
{
    private readonly Process _process;
    private readonly string _name;

    /// <summary>Starts it.</summary>
    /// <param name="name">What messages call it.</param>
    /// <param name="program">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">Variables that it has otherwise than this process; null takes one away.</param>
    /// <exception cref="InvalidInputException">It cannot be started.</exception>
    public Peer(string name, string program, string[] arguments, params (string Name, string? Value)[] environment)
    {
        _name = name;
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        foreach (var (variable, value) in environment)
        {
            start.Environment[variable] = value;
        }

        try
        {
            _process = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new InvalidInputException($"{program}: cannot be started: {e.Message} (./mimicd bench builds or installs it)", e);
        }
    }

    /// <summary>Says a line and waits for the answer.</summary>
    public string Ask(string line)
    {
        _process.StandardInput.WriteLine(line);
        _process.StandardInput.Flush();
        return Read();
    }

    /// <summary>Waits for a line.</summary>
    /// <exception cref="InvalidDataException">It has ended.</exception>
    public string Read() => _process.StandardOutput.ReadLine() ?? throw new InvalidDataException($"{_name}: ended without an answer");

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }
}
