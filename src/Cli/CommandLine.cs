using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Runtime.InteropServices;
using MimicD.Contracts;

namespace MimicD.Cli;

/// <summary>The command: its verbs, what Ctrl-C does, and how errors become one line and an exit code.</summary>
internal static class CommandLine
{
    /// <summary>Something went wrong that the caller did not cause.</summary>
    public const int Failure = 1;

    /// <summary>The caller's input was refused.</summary>
    public const int Refused = 2;

    /// <summary>Stopped by Ctrl-C (128 + SIGINT, as shells have it).</summary>
    public const int Interrupted = 130;

    /// <summary>Runs the command; returns its exit code.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand("""
            Decentralized diffusion policies: each agent is an actor with its own policy and sees nothing but its own observation.

            Examples: mimicd run                     the shipped swap model, 100 episodes, and a picture of what happened
                      mimicd run --episodes 1000     the same with tighter intervals
                      mimicd doctor                  what is present, what is missing, what installs it
            """)
        {
            RunVerb.Create(),
            ExpertsVerb.Create(),
            TrainVerb.Create(),
            EvaluateVerb.Create(),
            SweepVerb.Create(),
            ReportVerb.Create(),
            BridgeVerb.Create(),
            RobotVerb.Create(),
            NodeVerb.Create(),
            ClusterVerb.Create(),
            RobotCheckVerb.Create(),
            DoctorVerb.Create(),
        };
        if (args.Length == 0)
        {
            args = ["--help"];
        }

        var parsed = root.Parse(args);
        if (Complaint(parsed) is { } complaint)
        {
            var path = "";
            for (var at = parsed.CommandResult; at is { Command: not RootCommand }; at = at.Parent as CommandResult)
            {
                path = $" {at.Command.Name}{path}";
            }

            return Say($"{complaint} (see mimicd{path} --help)", Refused);
        }

        using var interrupt = new CancellationTokenSource();
        using var onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        ChildProgram.StopWithParent(interrupt);
        try
        {
            OutputPaths.Require(parsed);
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, interrupt.Token);
        }
        catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
        {
            return Say("stopped", Interrupted);
        }
        catch (Exception e) when (e is InvalidInputException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            return Say(e.Message, Refused);
        }
        catch (Exception e) when (Environment.GetEnvironmentVariable("MIMICD_TRACE") is null)
        {
            // The stack is for whoever repairs it, not for whoever hit it: MIMICD_TRACE=1 lets it through.
            return Say($"{e.GetType().Name}: {e.Message}", Failure);
        }

        void Stop(PosixSignalContext signal)
        {
            // The first one asks; the second, like a first that nobody heeds, ends the process the usual way.
            signal.Cancel = !interrupt.IsCancellationRequested;
            interrupt.Cancel();
        }
    }

    /// <summary>What is wrong with the arguments, or null.</summary>
    private static string? Complaint(ParseResult parsed)
    {
        // An argument would otherwise swallow a misspelt option: no file here is called --foo. What follows -- is another program's.
        var others = parsed.Tokens.SkipWhile(t => t.Type != TokenType.DoubleDash).Skip(1).Count();
        if (parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(a => a.Tokens).SkipLast(others).FirstOrDefault(t => t.Value.Length > 1 && t.Value[0] == '-') is { } option)
        {
            return $"unknown option '{option.Value}'";
        }

        if (parsed.Action is not ParseErrorAction)
        {
            return null;
        }

        return parsed.UnmatchedTokens switch
        {
            [] => parsed.Errors[0].Message.TrimEnd('.'),
            [var token, ..] when token.StartsWith('-') => $"unknown option '{token}'",
            [var token, ..] when parsed.CommandResult.Command is RootCommand => $"unknown verb '{token}'",
            [var token, ..] => $"unexpected argument '{token}'",
        };
    }

    private static int Say(string message, int code)
    {
        Console.Error.WriteLine("mimicd: " + message.ReplaceLineEndings(" "));
        return code;
    }
}
