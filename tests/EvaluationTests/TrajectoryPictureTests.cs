using System.Xml.Linq;
using MimicD.Evaluation;
using MimicD.World;

namespace MimicD.EvaluationTests;

public class TrajectoryPictureTests
{
    private static PictureContent Swap(int episodes)
    {
        const int times = 101;
        var positions = new double[episodes * 2 * times * 2];
        var goals = new double[episodes * 4];
        for (var e = 0; e < episodes; e++)
        {
            for (var n = 0; n < 2; n++)
            {
                for (var t = 0; t < times; t++)
                {
                    var s = t / (times - 1.0);
                    var at = ((e * 2 + n) * times + t) * 2;
                    positions[at] = n == 0 ? 20 * s : 20 - 20 * s;
                    positions[at + 1] = (n == 0 || e == 2 ? 1 : -1) * (4.2 + 0.1 * e) * Math.Sin(Math.PI * s);
                }
            }

            goals[e * 4] = 20;
        }

        return new PictureContent(new PathSet(positions, episodes, 2, times, 2), goals, [new Disc([10, 0], 4)],
            [.. Enumerable.Range(0, episodes).Select(e => $"episode {e} · mode 1{(e == 2 ? " · <collided>" : "")}")], [.. Enumerable.Range(0, episodes).Select(e => e == 2)],
            [.. Enumerable.Range(0, episodes).Select(e => e == 2 ? ((double, double)?)(10, 4) : null)]);
    }

    [Fact]
    public void Panels_are_valid_xml_with_one_title_an_episode()
    {
        var svg = XDocument.Parse(TrajectoryPicture.Panels(Swap(14), "swap & co"));

        XNamespace ns = "http://www.w3.org/2000/svg";
        var texts = svg.Descendants(ns + "text").Select(t => t.Value).ToArray();
        Assert.Equal(13, texts.Length);
        Assert.Equal("swap & co", texts[0]);
        Assert.Single(svg.Descendants(ns + "circle"), c => (string?)c.Attribute("class") == "hit");
        Assert.Equal(2 * 24, svg.Descendants(ns + "animate").Count());
    }

    [Fact]
    public void Overlay_draws_every_path()
    {
        var svg = XDocument.Parse(TrajectoryPicture.Overlay(Swap(5), "all"));

        Assert.Equal(10, svg.Descendants().Count(d => d.Name.LocalName == "path"));
    }

    [Fact]
    public void Nothing_is_fetched_from_elsewhere()
    {
        var text = TrajectoryPicture.Panels(Swap(3), "x") + TrajectoryPicture.Overlay(Swap(3), "x");

        Assert.DoesNotContain("http", text.Replace("http://www.w3.org/2000/svg", ""), StringComparison.Ordinal);
        Assert.DoesNotContain("url(", text, StringComparison.Ordinal);
    }
}
