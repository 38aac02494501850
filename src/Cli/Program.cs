return await MimicD.Cli.CommandLine.RunAsync(args);
