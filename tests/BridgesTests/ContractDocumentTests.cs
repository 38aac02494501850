using System.Text.Json;
using MimicD.Bridges.Robots.Wire;
using MimicD.Tests;

namespace MimicD.BridgesTests;

public class ContractDocumentTests
{
    [Fact]
    public void The_document_in_the_repository_is_the_one_that_the_code_makes()
    {
        var file = Path.Combine(RepositoryRoot.Folder, "docs", "robots.asyncapi.json");

        Assert.True(ContractDocument.Write() == File.ReadAllText(file), "the contract in the code has changed: write the document anew with 'mimicd bridge --contract docs/robots.asyncapi.json', and raise the version where old robots would not understand");
    }

    [Fact]
    public void The_fields_of_the_document_are_those_that_the_codecs_write()
    {
        using var observation = JsonDocument.Parse(JsonWire.Write(Cases.Observation));
        using var command = JsonDocument.Parse(JsonWire.Write(Cases.Command));

        Assert.Equal(observation.RootElement.EnumerateObject().Select(p => p.Name), ContractDocument.ObservationFields);
        Assert.Equal(command.RootElement.EnumerateObject().Select(p => p.Name), ContractDocument.CommandFields);
    }
}
