using System.Net;
using System.Text;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Evaluation.Report;

/// <summary>Script and style sheet of the page, as bundled from <c>src/Evaluation/Report/web</c>.</summary>
/// <param name="Script">JavaScript.</param>
/// <param name="Style">CSS.</param>
public sealed record ReportAssets(string Script, string Style)
{
    /// <summary>Reads <c>report.js</c> and <c>report.css</c>.</summary>
    /// <param name="folder">Where they were built.</param>
    /// <exception cref="InvalidInputException">One of them cannot be read.</exception>
    public static ReportAssets Load(string folder)
    {
        var script = Path.Combine(folder, "report.js");
        InvalidInputException.Require(File.Exists(script), folder, "", "report.js, which the entry script ./mimicd builds on the first 'report'", null);
        return new ReportAssets(StrictJson.ReadText(script), StrictJson.ReadText(Path.Combine(folder, "report.css")));
    }
}

/// <summary>
/// The report as one HTML file that loads nothing: style, script and data are in it, and its content policy forbids all else. The data stands in a script element of type
/// <c>application/json</c>; its JSON spells angle brackets, ampersands and all that is not ASCII as <c>\uXXXX</c>, so that no text from a file can end the element.
/// </summary>
public static class ReportPage
{
    private const string TitleEnd = " - report</title>";

    /// <summary>The page.</summary>
    /// <param name="data">What it shows.</param>
    /// <param name="assets">Script and style sheet.</param>
    /// <exception cref="InvalidInputException">The script or the style sheet would end its own element.</exception>
    public static string Html(ReportData data, ReportAssets assets)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(assets);
        InvalidInputException.Require(!assets.Script.Contains("</script", StringComparison.OrdinalIgnoreCase), "report.js", "", "no </script", "one");
        InvalidInputException.Require(!assets.Style.Contains("</style", StringComparison.OrdinalIgnoreCase), "report.css", "", "no </style", "one");
        return new StringBuilder("""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
            <link rel="icon" href="data:,">
            <title>
            """)
            .Append(WebUtility.HtmlEncode(Printable.Line(data.Title))).Append(TitleEnd).Append("\n<style>").Append(assets.Style).Append("</style>\n</head>\n<body>\n")
            .Append("<noscript><p>This page draws its tables and charts with the script that it carries; please allow it to run.</p></noscript>\n")
            .Append("<script type=\"application/json\" id=\"data\">").Append(StrictJson.Format(data, indented: false)).Append("</script>\n<script>").Append(assets.Script).Append("</script>\n</body>\n</html>\n")
            .ToString();
    }

    /// <summary>Whether a file that begins so is such a page, which may be replaced.</summary>
    public static bool IsOne(string beginning)
    {
        ArgumentNullException.ThrowIfNull(beginning);
        return beginning.StartsWith("<!DOCTYPE html>", StringComparison.Ordinal) && beginning.Contains(TitleEnd, StringComparison.Ordinal);
    }

    /// <summary>Writes the page, aside and renamed.</summary>
    /// <param name="path">The file.</param>
    /// <param name="data">What it shows.</param>
    /// <param name="assets">Script and style sheet.</param>
    public static void Write(string path, ReportData data, ReportAssets assets) => AtomicFile.WriteText(path, Html(data, assets));
}
