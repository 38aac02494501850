using MimicD.Bridges.Mqtt;
using MimicD.Contracts;

namespace MimicD.BridgesTests;

public class MqttOptionsTests
{
    [Theory]
    [InlineData("mqtt://localhost", "localhost", -1)]
    [InlineData("mqtts://broker.example:8884", "broker.example", 8884)]
    [InlineData("mqtt://[::1]:1883/", "[::1]", 1883)]
    public void A_brokers_address_is_read(string text, string host, int port)
    {
        var uri = MqttOptions.ParseBroker(text, "--broker");

        Assert.Equal((host, port), (uri.Host, uri.Port));
    }

    [Theory]
    [InlineData("localhost:1883")]
    [InlineData("http://localhost")]
    [InlineData("mqtt://user:secret@localhost")]
    [InlineData("mqtt://localhost/topic")]
    [InlineData("")]
    public void An_address_of_another_kind_is_refused_in_one_line(string text)
    {
        var refused = Assert.Throws<InvalidInputException>(() => MqttOptions.ParseBroker(text, "--broker"));

        Assert.Equal($"--broker: expected mqtt://HOST:PORT or mqtts://HOST:PORT, found {text}", refused.Message);
    }
}
