using System.Text.Json;
using System.Text.Json.Nodes;
using MimicD.Contracts;

namespace MimicD.Evaluation.Report;

/// <summary>
/// Figures as keys and estimates, whatever figures there are: <c>strictSuccess</c>, <c>collisions.contact.rate</c>, <c>modes.shares.2</c>. A bare number is an estimate without an interval;
/// texts and lists of bare values are left out.
/// </summary>
public static class FigureValues
{
    /// <summary>The figures in their own order.</summary>
    public static OrderedDictionary<string, Estimate> Of(Figures figures)
    {
        ArgumentNullException.ThrowIfNull(figures);
        var node = JsonSerializer.SerializeToNode(figures, StrictJson.Options)!.AsObject();
        node.Remove("episodes");
        node.Remove("agents");
        // How many episodes the figures are of stands beside them (EpisodeCounts).
        node.Remove("distinctEpisodes");
        node.Remove("distinctStarts");
        node.Remove("faults");
        // Curves are drawn from their records.
        node.Remove("curves");
        var values = new OrderedDictionary<string, Estimate>(StringComparer.Ordinal);
        Flatten(values, "", node);
        return values;
    }

    private static void Flatten(OrderedDictionary<string, Estimate> values, string key, JsonNode? node)
    {
        switch (node)
        {
            case JsonObject { Count: 3 } estimate when estimate.ContainsKey("value") && estimate.ContainsKey("low") && estimate.ContainsKey("high"):
                values[key] = new Estimate(Number(estimate["value"]), Number(estimate["low"]), Number(estimate["high"]));
                break;
            case JsonObject many:
                foreach (var (name, value) in many)
                {
                    Flatten(values, key.Length == 0 ? name : $"{key}.{name}", value);
                }

                break;
            case JsonArray list when list.All(e => e is JsonObject):
                foreach (var (index, element) in list.Index())
                {
                    Flatten(values, $"{key}.{(element!["name"] is JsonValue name ? name.ToString() : $"{index + 1}")}", element);
                }

                break;
            case JsonValue value when value.GetValueKind() == JsonValueKind.Number:
                values[key] = new Estimate(Number(value), double.NaN, double.NaN);
                break;
            default:
                break;
        }
    }

    private static double Number(JsonNode? value) => value?.GetValue<double>() ?? double.NaN;
}
