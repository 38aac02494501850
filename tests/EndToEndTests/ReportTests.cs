using MimicD.EvaluationTests;
using Microsoft.Playwright;

namespace MimicD.EndToEndTests;

/// <summary>The page of a report in a real browser: Debian's Chromium, without a network.</summary>
public sealed class ReportTests : IDisposable
{
    private const string Chromium = "/usr/bin/chromium";
    private const int Width = 1280;

    /// <summary>Marks of a chart that has something in it: what data become, not axes and grids.</summary>
    private const string CountMarks = """
        name => [...document.querySelectorAll(`figure.chart[data-chart="${name}"] :is(g[aria-label="line"], g[aria-label="dot"], g[aria-label="bar"], g[aria-label="area"]) > *`)]
            .filter(mark => { const box = mark.getBoundingClientRect(); return box.width + box.height > 0 && getComputedStyle(mark).visibility === "visible"; }).length
        """;

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task The_page_of_a_sweep_opens_offline_draws_every_chart_and_fits_1280_pixels_in_light_and_dark()
    {
        SyntheticSweep.Write(_scratch["sweep"]);
        Assert.Contains("wrote", (await EntryPoint.RunAsync("report", _scratch["sweep"])).Success, StringComparison.Ordinal);
        using var playwright = await Playwright.CreateAsync();
        // Chromium's own sandbox needs what a container has not; the page is ours.
        await using var browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = Chromium, Args = ["--no-sandbox"] });
        var backgrounds = new List<double>();
        foreach (var scheme in new[] { ColorScheme.Light, ColorScheme.Dark })
        {
            await using var context = await browser.NewContextAsync(new BrowserNewContextOptions { ViewportSize = new ViewportSize { Width = Width, Height = 900 }, ColorScheme = scheme, Offline = true });
            var (page, complaints) = await OpenAsync(context, _scratch["sweep/report.html"]);
            foreach (var chart in new[] { "comparison", "along", "curves", "profiles", "modes", "distance" })
            {
                await page.WaitForFunctionAsync($"name => ({CountMarks})(name) > 0", chart);
            }

            Assert.Equal(0, await page.Locator("figure.chart:not(:has(svg))").CountAsync());
            Assert.InRange(await page.EvaluateAsync<int>("document.documentElement.scrollWidth"), 1, Width);
            var (background, contrast) = await ContrastAsync(page);
            backgrounds.Add(background);
            Assert.True(contrast >= 7, $"{scheme}: contrast of text {contrast}");

            await page.Locator("#theme").ClickAsync();
            Assert.NotEqual(background, (await ContrastAsync(page)).Background);
            Assert.True((await ContrastAsync(page)).Contrast >= 7);
            Assert.Empty(complaints);
        }

        Assert.True(backgrounds[0] > 0.8 && backgrounds[1] < 0.1, $"backgrounds {string.Join(", ", backgrounds)}");
    }

    [Fact]
    public async Task The_page_is_used_by_hand_and_keyboard()
    {
        SyntheticSweep.Write(_scratch["sweep"]);
        (await EntryPoint.RunAsync("report", _scratch["sweep"], "--out", _scratch["page.html"])).Success.ToString();
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = Chromium, Args = ["--no-sandbox"] });
        await using var context = await browser.NewContextAsync(new BrowserNewContextOptions { ViewportSize = new ViewportSize { Width = Width, Height = 900 }, Offline = true });
        var (page, complaints) = await OpenAsync(context, _scratch["page.html"]);
        var world = page.Locator("svg.world");

        // Stepping, by button and by key, changes the picture.
        var pictures = new HashSet<string>(StringComparer.Ordinal) { await world.InnerHTMLAsync() };
        var shot = await world.ScreenshotAsync();
        await page.Locator("[data-step='1']").ClickAsync();
        Assert.True(pictures.Add(await world.InnerHTMLAsync()));
        Assert.NotEqual(shot, await world.ScreenshotAsync());
        await world.FocusAsync();
        await page.Keyboard.PressAsync("ArrowRight");
        Assert.True(pictures.Add(await world.InnerHTMLAsync()));
        Assert.Contains("tick 2 of 20", await page.Locator(".readout").InnerTextAsync(), StringComparison.Ordinal);
        await page.Keyboard.PressAsync("End");
        Assert.Contains("tick 20 of 20", await page.Locator(".readout").InnerTextAsync(), StringComparison.Ordinal);

        // Labels are text, whatever they say.
        Assert.Equal(0, await page.Locator("body b").CountAsync());
        Assert.Contains(SyntheticSweep.Nasty, await page.Locator("table[data-table='results']").InnerTextAsync(), StringComparison.Ordinal);

        // A row leads to its cell, with its command.
        await page.Locator($"a[href='#cell={SyntheticSweep.Id(1, 2, 2)}']").First.ClickAsync();
        await page.WaitForFunctionAsync("id => document.getElementById('cell').innerText.includes(`--cell ${id}`)", SyntheticSweep.Id(1, 2, 2));

        // Titles sort; the comparison follows its axis; a series can be switched off.
        await page.Locator("th:has-text('strict success') button").First.ClickAsync();
        Assert.Equal("descending", await page.Locator("table[data-table='results'] th:has-text('strict success')").First.GetAttributeAsync("aria-sort"));
        await page.GetByLabel("compare", new PageGetByLabelOptions { Exact = true }).SelectOptionAsync(new SelectOptionValue { Label = "noise" });
        Assert.Equal(3, await page.Locator("table[data-table='comparison'] tbody tr").CountAsync());
        await page.WaitForFunctionAsync($"name => ({CountMarks})(name) > 0", "curves");
        await page.Locator("#collisions .legend input").First.ClickAsync();
        Assert.Equal(2, await page.Locator("table[data-table='comparison'] tbody tr").CountAsync());
        Assert.Contains("mimicd sweep synthetic.json --out runs/synthetic", await page.Locator("#making").InnerTextAsync(), StringComparison.Ordinal);
        Assert.Empty(complaints);
    }

    [Fact]
    public async Task A_single_run_has_a_page_too()
    {
        (await EntryPoint.RunAsync("run", Path.Combine(EntryPoint.Root, "scenarios", "ring.json"), "--policy", "straight", "--agents", "6", "--episodes", "3", "--out", _scratch["run"])).Success.ToString();
        (await EntryPoint.RunAsync("report", _scratch["run"])).Success.ToString();
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = Chromium, Args = ["--no-sandbox"] });
        await using var context = await browser.NewContextAsync(new BrowserNewContextOptions { ViewportSize = new ViewportSize { Width = Width, Height = 900 }, Offline = true });
        var (page, complaints) = await OpenAsync(context, _scratch["run/report.html"]);

        await page.WaitForFunctionAsync($"name => ({CountMarks})(name) > 0", "curves");
        Assert.Equal("ring", await page.Locator("h1").InnerTextAsync());
        Assert.InRange(await page.EvaluateAsync<int>("document.documentElement.scrollWidth"), 1, Width);
        Assert.Empty(complaints);
    }

    [Fact]
    public async Task What_is_no_folder_of_results_is_refused()
    {
        Assert.Equal($"{_scratch["none"]}: expected the folder of a sweep or of a run, found none", (await EntryPoint.RunAsync("report", _scratch["none"])).Refusal);
        Directory.CreateDirectory(_scratch["empty"]);
        Assert.StartsWith($"{_scratch["empty"]}: expected sweep.json of a sweep", (await EntryPoint.RunAsync("report", _scratch["empty"])).Refusal, StringComparison.Ordinal);
        var folder = SyntheticSweep.Write(_scratch["sweep"]);
        await File.AppendAllTextAsync(folder.CellsPath, "{ \"id\": 3 }\n");
        Assert.StartsWith($"{folder.CellsPath}: line 14: ", (await EntryPoint.RunAsync("report", _scratch["sweep"])).Refusal, StringComparison.Ordinal);
        Assert.False(File.Exists(_scratch["sweep/report.html"]));
    }

    [Fact]
    public async Task The_lock_file_names_no_registry()
        => Assert.DoesNotContain("\"resolved\"", await File.ReadAllTextAsync(Path.Combine(EntryPoint.Root, "src", "Evaluation", "Report", "web", "package-lock.json")), StringComparison.Ordinal);

    private static async Task<(IPage Page, List<string> Complaints)> OpenAsync(IBrowserContext context, string file)
    {
        var complaints = new List<string>();
        var page = await context.NewPageAsync();
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
            {
                complaints.Add($"{message.Type}: {message.Text}");
            }
        };
        page.PageError += (_, error) => complaints.Add(error);
        page.Request += (_, request) =>
        {
            if (!request.Url.StartsWith("file:", StringComparison.Ordinal) && !request.Url.StartsWith("data:", StringComparison.Ordinal))
            {
                complaints.Add($"asked for {request.Url}");
            }
        };
        await page.GotoAsync(new Uri(file).AbsoluteUri);
        await page.WaitForFunctionAsync("() => document.querySelectorAll('section').length > 0 && [...document.querySelectorAll('figure.chart')].every(f => f.querySelector('svg'))");
        return (page, complaints);
    }

    /// <summary>Relative luminance of the page, and the contrast of its text (WCAG 2.1).</summary>
    private static async Task<(double Background, double Contrast)> ContrastAsync(IPage page)
    {
        var values = await page.EvaluateAsync<double[]>("""
            () => {
                const luminance = colour => {
                    const canvas = document.createElement("canvas").getContext("2d");
                    canvas.fillStyle = colour;
                    canvas.fillRect(0, 0, 1, 1);
                    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                };
                const style = getComputedStyle(document.body);
                return [luminance(style.backgroundColor), luminance(style.color)];
            }
            """);
        return (values[0], (Math.Max(values[0], values[1]) + 0.05) / (Math.Min(values[0], values[1]) + 0.05));
    }
}
