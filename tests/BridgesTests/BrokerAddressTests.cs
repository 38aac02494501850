using MimicD.Bridges.Mqtt;
using MimicD.Contracts;

namespace MimicD.BridgesTests;

public class BrokerAddressTests
{
    [Theory]
    [InlineData("mqtt://localhost", "localhost", 1883, null, null)]
    [InlineData("mqtts://broker.example", "broker.example", 8883, null, null)]
    [InlineData("mqtts://broker.example:8884", "broker.example", 8884, null, null)]
    [InlineData("MQTT://[::1]:1884/", "::1", 1884, null, null)]
    [InlineData("mqtt://me:secret@localhost:1885", "localhost", 1885, "me", "secret")]
    [InlineData("mqtts://me:secret@[fe80::1]", "fe80::1", 8883, "me", "secret")]
    [InlineData("mqtt://me@localhost", "localhost", 1883, "me", null)]
    [InlineData("mqtt://me:@localhost", "localhost", 1883, "me", "")]
    [InlineData("mqtt://m%40e:p%2Fw%3a%25%C3%A4:x@localhost", "localhost", 1883, "m@e", "p/w:%ä:x")]
    [InlineData("mqtt://mü:😀+1@localhost", "localhost", 1883, "mü", "😀+1")]
    public void A_brokers_address_is_read(string text, string host, int port, string? user, string? password)
    {
        var address = BrokerAddress.Parse(text, "--broker");
        var options = new MqttOptions { Broker = address.Uri, User = address.User, Password = address.Password };

        Assert.Equal((host, port, user, password), (options.Host, options.Port, address.User, address.Password));
        Assert.Equal("", address.Uri.UserInfo);
        Assert.All([address.ToString(), options.ToString(), $"{address.Uri}"], said => Assert.True(string.IsNullOrEmpty(password) || !said.Contains(password, StringComparison.Ordinal), said));
    }

    [Theory]
    [InlineData("localhost:1883", "localhost:1883")]
    [InlineData("http://localhost", "http://localhost")]
    [InlineData("tcp://user:secret@localhost", "tcp://***@localhost")]
    [InlineData("mqtt://localhost/topic", "mqtt://localhost/topic")]
    [InlineData("mqtt://user:secret@", "mqtt://***@")]
    [InlineData("mqtt://user:secret@localhost:port", "mqtt://***@localhost:port")]
    [InlineData("mqtt://user:secret", "mqtt://user:***")]
    [InlineData("user:secret@localhost", "***@localhost")]
    [InlineData("mqtt://localhost:0", "mqtt://localhost:0")]
    [InlineData("mqtt://localhost:65536", "mqtt://localhost:65536")]
    [InlineData("", "")]
    public void An_address_of_another_kind_is_refused_in_one_line_without_its_password(string text, string found)
    {
        var refused = Assert.Throws<InvalidInputException>(() => BrokerAddress.Parse(text, "--broker"));

        Assert.Equal($"--broker: expected mqtt://HOST:PORT or mqtts://HOST:PORT, found {found}", refused.Message);
    }

    [Theory]
    [InlineData("ws://user:secret@localhost", "MQTT over WebSockets is not spoken")]
    [InlineData("wss://localhost/mqtt", "MQTT over WebSockets is not spoken")]
    [InlineData("mqtt://user:se/secret@localhost", "percent-encoded")]
    [InlineData("mqtt://user:secret@more@localhost", "percent-encoded")]
    [InlineData("mqtt://user:secret%4@localhost", "two hexadecimal digits")]
    [InlineData("mqtt://user:secret%zz@localhost", "two hexadecimal digits")]
    [InlineData("mqtt://user:secret%ff@localhost", "UTF-8")]
    [InlineData("mqtt://user:secret%00@localhost", "without control characters")]
    [InlineData("mqtt://user:secret\u001b[2J@localhost", "control characters")]
    [InlineData("mqtt://:secret@localhost", "a user before the @")]
    public void What_cannot_be_a_user_or_a_password_is_refused_without_being_said(string text, string expected)
    {
        var refused = Assert.Throws<InvalidInputException>(() => BrokerAddress.Parse(text, "--broker"));

        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", refused.Message, StringComparison.Ordinal);
    }
}
