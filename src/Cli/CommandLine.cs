using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using MimicD.Contracts;

namespace MimicD.Cli;

/// <summary>The command: its verbs, what Ctrl-C does, and how errors become one line and an exit code.</summary>
internal static class CommandLine
{
    /// <summary>Something went wrong that the caller did not cause.</summary>
    public const int Failure = 1;

    /// <summary>The caller's input was refused.</summary>
    public const int Refused = 2;

    /// <summary>Stopped by a signal: 128 + its number, as shells have it; 130 for Ctrl-C.</summary>
    public static int Interrupted => Interruption.Code;

    /// <summary>Runs the command; returns its exit code.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        SafeConsole.Install();
        Unforeseen.Catch(args);
        RootCommand root;
        try
        {
            root = Create();
        }
        catch (Exception e) when (e is InvalidInputException or IOException or UnauthorizedAccessException)
        {
            return Say(e.Message, Refused);
        }

        if (args.Length == 0)
        {
            args = ["--help"];
        }

        var parsed = root.Parse(args);
        if (Complaint(parsed) is { } complaint)
        {
            return Say(complaint, Refused);
        }

        var code = await InvokeAsync(parsed, args);
        if (SafeConsole.LostOutput is not { } lost)
        {
            return code;
        }

        // What was computed is in files by now, or was nothing but what could not be shown.
        var kept = KeepsFiles(parsed);
        Say($"standard output could not be written ({lost}){(kept ? "; the files that were asked for are written all the same" : "")}", code);
        return code == 0 && !kept ? Failure : code;
    }

    /// <summary>The command with all its verbs.</summary>
    internal static RootCommand Create() => StrictValues.Install(new RootCommand("""
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
        });

    private static async Task<int> InvokeAsync(ParseResult parsed, string[] args)
    {
        using var interrupt = new Interruption();
        ChildProgram.StopWithParent(interrupt);
        try
        {
            OutputPaths.Require(parsed);
            if (OutputPaths.TakeOutput(parsed))
            {
                // The record is for whoever reads standard output; what is for people goes elsewhere.
                Console.SetOut(Console.Error);
            }

            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, interrupt.Token);
        }
        catch (OperationCanceledException) when (interrupt.Token.IsCancellationRequested)
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
            return Say(Unforeseen.Line(e, args), Failure);
        }
    }

    /// <summary>Whether what a command computes is in files, so that standard output is not all that there is of it.</summary>
    private static bool KeepsFiles(ParseResult parsed)
        => parsed.CommandResult.Command.Options.Any(o => o.Name is "--out" or "--json" or "--outcomes" && parsed.GetResult(o) is { Implicit: false, Tokens.Count: > 0 })
            || (parsed.CommandResult.Command.Options.Any(o => o.Name == "--out") && !parsed.CommandResult.Command.Options.Any(o => o.Name is "--list" or "--replay" && parsed.GetResult(o) is { Implicit: false }));

    /// <summary>What is wrong with the arguments, or null.</summary>
    internal static string? Complaint(ParseResult parsed)
    {
        // What is said of a value says all; of a word that is not known, the help knows more.
        if (Misfit(parsed) is { } value)
        {
            return value;
        }

        if (Misused(parsed) is not { } complaint)
        {
            return null;
        }

        var path = "";
        for (var at = parsed.CommandResult; at is { Command: not RootCommand }; at = at.Parent as CommandResult)
        {
            path = $" {at.Command.Name}{path}";
        }

        return $"{complaint} (see mimicd{path} --help)";
    }

    /// <summary>A value that is none of its option's, in <see cref="StrictValues"/>' words, or null. An unknown option, which has no values, goes first.</summary>
    private static string? Misfit(ParseResult parsed)
        => parsed.Action is not ParseErrorAction || parsed.UnmatchedTokens.Count > 0 || Swallowed(parsed) is not null ? null
            : parsed.Errors.Select(e => e.Message).FirstOrDefault(m => m.Contains(": expected ", StringComparison.Ordinal));

    /// <summary>An argument would otherwise swallow a misspelt option: no file here is called --foo. What follows -- is another program's.</summary>
    private static string? Swallowed(ParseResult parsed)
    {
        var others = parsed.Tokens.SkipWhile(t => t.Type != TokenType.DoubleDash).Skip(1).Count();
        return parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(a => a.Tokens).SkipLast(others).FirstOrDefault(t => t.Value.Length > 1 && t.Value[0] == '-')?.Value;
    }

    private static string? Misused(ParseResult parsed)
    {
        if (Swallowed(parsed) is { } option)
        {
            return UnknownOption(parsed, option);
        }

        if (parsed.Action is not ParseErrorAction)
        {
            return null;
        }

        return parsed.UnmatchedTokens switch
        {
            [] => parsed.Errors[0].Message.TrimEnd('.'),
            [var token, ..] when token.StartsWith('-') => UnknownOption(parsed, token),
            [var token, ..] when parsed.CommandResult.Command is RootCommand => $"unknown verb '{token}'{Suggestion.For(token, Verbs(parsed))}",
            [var token, ..] => $"unexpected argument '{token}'{Suggestion.For(token, Verbs(parsed))}",
        };
    }

    private static string UnknownOption(ParseResult parsed, string option)
    {
        var name = option.Split('=', 2)[0];
        return $"unknown option '{name}'{Suggestion.For(name, parsed.CommandResult.Command.Options.Where(o => !o.Hidden).Select(o => o.Name))}";
    }

    private static IEnumerable<string> Verbs(ParseResult parsed) => parsed.CommandResult.Command.Subcommands.Where(c => !c.Hidden).Select(c => c.Name);

    private static int Say(string message, int code)
    {
        Console.Error.WriteLine("mimicd: " + message.ReplaceLineEndings(" "));
        return code;
    }
}
