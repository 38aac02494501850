using System.Xml.Linq;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Evaluation.Report;
using MimicD.Evaluation.Sweeps;

namespace MimicD.EvaluationTests;

/// <summary>Labels and names may hold anything; no table, page or picture takes them for something else than text.</summary>
public sealed class PrintableTests : IDisposable
{
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("mimicd-");

    public void Dispose() => _scratch.Delete(recursive: true);

    [Theory]
    [InlineData("plain, with ä, 漢 and 🤖", "plain, with ä, 漢 and 🤖")]
    [InlineData("\u001b[2Jgone\a", "\\u001b[2Jgone\\u0007")]
    [InlineData("a\0b\r\nc\td\u0085\u2028", "a\\u0000b\\u000d\\u000ac\\u0009d\\u0085\\u2028")]
    [InlineData("\u202egnp.exe", "\\u202egnp.exe")]
    [InlineData("", "")]
    public void What_a_terminal_would_obey_is_spelt_out(string text, string shown) => Assert.Equal(shown, Printable.Line(text));

    [Fact]
    public void Halves_of_surrogate_pairs_are_no_text()
    {
        // No attribute can hold them.
        var halves = string.Concat((char)0xd83e, '!', (char)0xdd16);
        Assert.Equal("\\ud83e!\\udd16", Printable.Line(halves));
        Assert.Equal("\ufffd!\ufffd", Printable.Xml(halves));
    }

    [Fact]
    public void A_refusal_is_one_line_whatever_was_found()
        => Assert.Equal("x: expected y, found \\u001b[31m\\u000az", InvalidInputException.Create("x", "", "y", "\u001b[31m\nz").Message);

    [Theory]
    [InlineData("a & b < c > \"d\"")]
    [InlineData("\0\u0001\u001b[0m\u007f\ufffe\uffff")]
    [InlineData("two\nlines]]>")]
    public void A_picture_is_xml_whatever_its_captions_hold(string caption)
    {
        var content = new PictureContent(new PathSet([0, 0, 1, 1, 0, 0, 2, 1], 1, 2, 2, 2), [1, 1, 2, 1], [], [caption], [true], [null]);
        foreach (var svg in new[] { TrajectoryPicture.Panels(content, caption), TrajectoryPicture.Overlay(content, caption) })
        {
            Assert.Equal("svg", XDocument.Parse(svg).Root!.Name.LocalName);
        }
    }

    [Theory]
    [InlineData("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\"")]
    [InlineData("+1+1", "'+1+1")]
    [InlineData("-1+1", "'-1+1")]
    [InlineData("@SUM(A1)", "'@SUM(A1)")]
    [InlineData(" =1", "' =1")]
    [InlineData("\t=1", "\\u0009=1")]
    [InlineData("\r=1", "\\u000d=1")]
    [InlineData("-", "'-")]
    [InlineData("-0.5", "-0.5")]
    [InlineData("+1e3", "+1e3")]
    [InlineData("-1E-07", "-1E-07")]
    [InlineData("a\nb", "a\\u000ab")]
    [InlineData("a,b", "\"a,b\"")]
    [InlineData("plain = text", "plain = text")]
    public void No_label_is_a_formula_in_a_spreadsheet_and_numbers_stay_numbers(string label, string field)
    {
        var cell = SyntheticSweep.Write(_scratch.FullName).ReadCells()[0];
        var lines = SweepTable.Csv([cell with { Axes = new OrderedDictionary<string, string> { ["a"] = label } }]).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal(2, lines.Length);
        Assert.StartsWith($"{cell.Id},{field},swap,", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_in_markdown_keeps_its_columns_and_the_page_its_elements()
    {
        const string label = "a|b\n\\|c\\ <i>&lt;\0\u001b[1m";
        var folder = SyntheticSweep.Write(_scratch.FullName);
        SweepCellResult[] cells = [.. folder.ReadCells().Select(c => c with { Axes = new OrderedDictionary<string, string> { ["method"] = c.Axes["method"] == "alpha" ? label : "beta", ["noise"] = c.Axes["noise"], ["seed"] = c.Axes["seed"] } })];
        var manifest = folder.ReadManifest();
        manifest = manifest with { Name = label, Axes = [new SweepAxisLabels("method", [label, "beta"]), .. manifest.Axes[1..]] };
        var report = ReportBuilder.Build(folder, manifest, cells, "mimicd report", seed: 1);
        var lines = ReportTable.Markdown(report).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal(2 + report.Groups.Length, lines.Length);
        Assert.StartsWith("| a\\|b\\\\u000a\\\\\\|c\\\\ &lt;i>&amp;lt;\\\\u0000\\\\u001b[1m | 0 |", lines[2], StringComparison.Ordinal);
        Assert.Single(lines.Select(Columns).Distinct());
        Assert.DoesNotContain(lines[2], char.IsControl);

        var html = ReportPage.Html(report, new ReportAssets("", ""));
        Assert.DoesNotContain(html, c => char.IsControl(c) && c != '\n');
        Assert.DoesNotContain("<i>", html, StringComparison.Ordinal);

        // As GitHub's Markdown reads them: a backslash takes the character after it out of play.
        static int Columns(string line)
        {
            var columns = 0;
            for (var i = 0; i < line.Length; i++)
            {
                columns += line[i] == '|' ? 1 : 0;
                i += line[i] == '\\' ? 1 : 0;
            }

            return columns;
        }
    }
}
