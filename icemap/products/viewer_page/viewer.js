"use strict";
// Everything shown is read from the files next to this page: map.json, and the GeoTIFFs by range requests.

const EARTH_KM = 6371.0088;

const byId = (id) => document.getElementById(id);
const number = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 6 });
const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

function fail(error) {
  byId("result").innerHTML = "";
  const line = document.createElement("p");
  line.textContent = error.whole ? error.message : `Something could not be read: ${error.message}`;
  byId("result").append(line);
}

async function start() {
  if (location.protocol === "file:") throw opened(decodeURIComponent(location.pathname));
  const response = await fetch("map.json");
  if (!response.ok) throw new Error(`map.json (${response.status}); publish the run again`);
  const about = await response.json();
  document.title = about.title;
  byId("title").textContent = about.title;
  const read = async (name) => { const answer = await fetch(name); return answer.ok ? answer.json() : []; };
  about.layers.push(...(await read("differences.json")));
  for (const layer of about.layers) byId("layer").add(new Option(layer.title, layer.variable));

  // A region stands upright: its middle meridian points down from the pole.
  const [mapWest, mapSouth, mapEast, mapNorth] = about.extent;
  const around = mapEast - mapWest > 180 && mapNorth > 66;
  const meridian = around ? 0 : (mapWest + mapEast) / 2;
  proj4.defs("polar", `+proj=laea +lat_0=90 +lon_0=${meridian} +x_0=0 +y_0=0 +datum=WGS84 +units=m`);
  ol.proj.proj4.register(proj4);
  ol.proj.get("polar").setExtent([-7e6, -7e6, 7e6, 7e6]);
  ol.proj.get("polar").setWorldExtent([-180, 20, 180, 90]);

  const degreesOf = crossing(about.extent);

  const drawn = new ol.source.Vector({ wrapX: false });
  const outline = new ol.style.Style({ stroke: new ol.style.Stroke({ color: "#d01c8b", width: 2 }), fill: new ol.style.Fill({ color: "rgba(208,28,139,0.12)" }) });
  const areas = new ol.layer.Vector({ source: drawn, style: outline, zIndex: 2 });
  const graticule = new ol.layer.Graticule({ strokeStyle: new ol.style.Stroke({ color: "rgba(60,60,60,0.35)", width: 1 }), showLabels: true, wrapX: false, zIndex: 1 });
  const coast = new ol.layer.Vector({ source: new ol.source.Vector({ wrapX: false }), zIndex: 1, style: new ol.style.Style({ stroke: new ol.style.Stroke({ color: about.ink.coast, width: 1 }) }) });
  const dot = new ol.style.Circle({ radius: 3, fill: new ol.style.Fill({ color: about.ink.sites }), stroke: new ol.style.Stroke({ color: "#fff", width: 0.8 }) });
  const sites = new ol.layer.Vector({ source: new ol.source.Vector({ wrapX: false }), zIndex: 3, style: new ol.style.Style({ image: dot }) });
  const ring = new ol.style.Circle({ radius: 7, stroke: new ol.style.Stroke({ color: "#d01c8b", width: 2.5 }) });
  const asked = new ol.layer.Vector({ source: new ol.source.Vector({ wrapX: false }), zIndex: 4, style: new ol.style.Style({ image: ring }) });
  const map = new ol.Map({ target: "map", layers: [graticule, coast, sites, areas, asked] });
  const shown = { coast, sites, graticule };
  const tiffs = new Map();
  const tiff = (file) => {
    if (!tiffs.has(file)) tiffs.set(file, GeoTIFF.fromUrl(new URL(file, location.href).href));
    return tiffs.get(file);
  };
  const state = new URLSearchParams(location.hash.slice(1));
  let raster = null, current = null;

  // What is seen can be linked to: #layer=aoa&projection=plate&view=129.7,62,4&at=129.7,62 or &area=100,60;110,60;110,70 ...
  function remember(name, value) {
    if (value === null) state.delete(name); else state.set(name, value);
    history.replaceState(null, "", `#${decodeURIComponent(state)}`);
  }

  async function show() {
    const layer = about.layers.find((one) => one.variable === byId("layer").value);
    const source = new ol.source.GeoTIFF({ sources: layer.files.map((file) => ({ url: new URL(file, location.href).href })), normalize: false, interpolate: false, wrapX: false, projection: degreesOf });
    // A layer that is drawn before the file's header is there asks for blocks that it does not know yet.
    await ready(source);
    const [low, high] = layer.kind === "classes" ? [0, 1] : layer.limits ?? (await middle(layer));
    if (layer.variable !== byId("layer").value) return; // another one was chosen meanwhile
    if (raster) map.removeLayer(raster);
    raster = new ol.layer.WebGLTile({ source, style: { color: colours(layer), variables: { low, high } } });
    map.getLayers().insertAt(0, raster);
    current = layer;
    stretch(low, high);
  }

  // Central 98 % of the coarsest overview, as in the report; around zero for differences.
  async function middle(layer) {
    const parts = await Promise.all(layer.files.map(async (file) => {
      const opened = await tiff(file), image = await opened.getImage((await opened.getImageCount()) - 1);
      return (await image.readRasters())[0];
    }));
    const values = Float64Array.from(parts[0], (value, k) => (parts[1] ? value - parts[1][k] : value)).filter(Number.isFinite).sort();
    if (!values.length) return [0, 1];
    const [low, high] = [0.01, 0.99].map((part) => values[Math.round(part * (values.length - 1))]);
    if (layer.kind === "difference") { const reach = Math.max(Math.abs(low), Math.abs(high)) || 1; return [-reach, reach]; }
    return [low, high > low ? high : low + 1];
  }

  function stretch(low, high) {
    raster.updateStyleVariables({ low, high });
    const exact = (value) => Number(value.toPrecision(4));
    [byId("low").value, byId("high").value] = [exact(low), exact(high)];
    for (const id of ["low", "high"]) byId(id).removeAttribute("aria-invalid");
    legend(current, low, high);
  }

  function stretched() {
    const [low, high] = ["low", "high"].map((id) => byId(id).valueAsNumber);
    const wrong = !(low < high);
    for (const id of ["low", "high"]) byId(id).setAttribute("aria-invalid", String(wrong));
    if (wrong) return;
    stretch(low, high);
    remember("range", `${byId("low").value},${byId("high").value}`);
  }

  function look() {
    const polar = byId("projection").value === "polar";
    const projection = polar ? "polar" : degreesOf;
    const before = map.getView().getProjection();
    for (const layer of [areas, coast, sites, asked]) layer.getSource().forEachFeature((feature) => feature.getGeometry().transform(before, projection));
    const view = new ol.View({ projection, center: [0, 0], zoom: 1, showFullExtent: true });
    map.setView(view);
    map.updateSize(); // the header may have got a second line
    const edge = polar && around ? EARTH_KM * 1000 * 2 * Math.sin(((90 - mapSouth) * Math.PI) / 360) : 0;
    view.fit(edge ? [-edge, -edge, edge, edge] : ol.proj.transformExtent(about.extent, degreesOf, projection, 16), { size: map.getSize() });
  }

  function place(layer, geometries) {
    const projection = map.getView().getProjection();
    layer.getSource().addFeatures(geometries.map((geometry) => new ol.Feature(geometry.transform(degreesOf, projection))));
  }

  async function at(coordinate) {
    const [lon, lat] = ol.proj.toLonLat(coordinate, map.getView().getProjection());
    asked.getSource().clear();
    asked.getSource().addFeature(new ol.Feature(new ol.geom.Point(coordinate)));
    remember("at", `${lon.toFixed(4)},${lat.toFixed(4)}`);
    remember("area", null);
    const [west, south, east, north] = about.extent;
    const onGrid = countedFrom(west, lon);
    const col = Math.floor((onGrid - west) / about.resolution), row = Math.floor((north - lat) / about.resolution);
    const rows = [];
    if (onGrid < east && lat > south && lat <= north) {
      for (const layer of about.layers.filter((one) => one.files.length === 1)) {
        const image = await (await tiff(layer.files[0])).getImage();
        const [values] = await image.readRasters({ window: [col, row, col + 1, row + 1] });
        rows.push({ layer, value: values[0] });
      }
    }
    told(lon, lat, rows);
  }

  function told(lon, lat, rows) {
    const place = `${Math.abs(lat).toFixed(2)}° ${lat < 0 ? "S" : "N"}, ${Math.abs(lon).toFixed(2)}° ${lon < 0 ? "W" : "E"}`;
    const value = (variable) => rows.find((row) => row.layer.variable === variable)?.value;
    const centre = value(about.name);
    if (centre === undefined || Number.isNaN(centre)) return say([["note", `${place}: not mapped. Try a place next to it.`]]);
    const lines = [["note", place], ["main", `${number(centre)} ${about.unit}`], ["", `95 % interval: ${number(value(`${about.name}_lower95`))} to ${number(value(`${about.name}_upper95`))} ${about.unit}`]];
    lines.push(["", `spread between replicates: ${number(value(`${about.name}_sd_ensemble`))} ${about.unit}`]);
    lines.push(["", value("aoa") === 1 ? "inside the area of applicability" : "outside the area of applicability: no site resembles this place"]);
    for (const { layer, value: difference } of rows) if (layer.kind === "difference" && Number.isFinite(difference)) lines.push(["", `${layer.title}: ${number(difference)} ${layer.unit}`]);
    say(lines);
  }

  function total(feature) {
    const geometry = feature.getGeometry().clone();
    const corners = geometry.clone().transform(map.getView().getProjection(), "EPSG:4326").getCoordinates()[0].slice(0, -1);
    asked.getSource().clear();
    remember("at", null);
    remember("area", corners.map((corner) => corner.map((degrees) => degrees.toFixed(3)).join(",")).join(";"));
    if (about.summed_bounds) return say([["note", "This map follows the published recipe as printed, whose totals have summed bounds: icemap storage --polygons gives them."]]);
    if (!about.totals) return say([["note", "The map was made without the predictions of its replicates (map.replicate_fields), so an area has no interval here."]]);
    const sum = areaTotal(about.totals, geometry, map.getView().getProjection());
    if (!sum) return say([["note", "No cell that counts is in this area."]]);
    const ice = about.totals.thickness_m !== null;
    const unit = ice ? "km³ of ice" : about.unit;
    const lines = [["note", `${number(sum.area)} km² that count`], ["main", `${number(sum.centre)} ${unit}`], ["", `95 % interval: ${number(sum.low)} to ${number(sum.high)} ${unit}`]];
    if (ice) lines.push(["", `${number(0.917 * sum.centre)} km³ of water`]);
    lines.push(["", `of the variance: ensemble ${Math.round(100 * sum.ensemble)} %, residual ${Math.round(100 * (1 - sum.ensemble))} %`]);
    if (!about.totals.variogram) lines.push(["note", "The residual of the sites is not known: the interval is that of the ensemble alone."]);
    lines.push(["note", `Summed on cells of ${about.totals.side}°, by the part of each that was drawn over. Exactly: icemap storage --polygons.`]);
    say(lines);
  }

  let draw = null;
  let drawnAt = 0;
  function drawing(on) {
    if (draw) map.removeInteraction(draw);
    draw = null;
    byId("draw").setAttribute("aria-pressed", String(on));
    if (!on) return;
    draw = new ol.interaction.Draw({ source: drawn, type: "Polygon" });
    draw.on("drawstart", () => drawn.clear());
    draw.on("drawend", (event) => { drawnAt = performance.now(); total(event.feature); setTimeout(() => drawing(false), 0); });
    map.addInteraction(draw);
  }

  byId("layer").addEventListener("change", () => { remember("layer", byId("layer").value); remember("range", null); show().catch(fail); });
  byId("projection").addEventListener("change", () => { remember("projection", byId("projection").value); look(); });
  byId("draw").addEventListener("click", () => drawing(draw === null));
  byId("clear").addEventListener("click", () => { drawn.clear(); asked.getSource().clear(); byId("result").innerHTML = ""; drawing(false); remember("at", null); remember("area", null); });
  for (const [id, layer] of Object.entries(shown)) byId(id).addEventListener("change", () => { layer.setVisible(byId(id).checked); remember(id, byId(id).checked ? null : "off"); });
  for (const id of ["low", "high"]) byId(id).addEventListener("change", stretched);
  byId("stretch").addEventListener("submit", (event) => event.preventDefault());
  byId("fit").addEventListener("click", () => middle(current).then(([low, high]) => { stretch(low, high); remember("range", `${byId("low").value},${byId("high").value}`); }).catch(fail));
  // The click that closes an area is told a moment later as a click on a place.
  map.on("singleclick", (event) => { if (!draw && event.originalEvent.timeStamp > drawnAt) at(event.coordinate).catch(fail); });
  byId("map").addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target === byId("map")) at(map.getView().getCenter()).catch(fail); });
  // What is written here does not tell of itself: this is a link that was put into the address.
  addEventListener("hashchange", () => location.reload());
  const degrees = (text) => text.split(";").map((pair) => pair.split(",").map(Number));
  for (const name of ["layer", "projection"]) if ([...byId(name).options].some((option) => option.value === state.get(name))) byId(name).value = state.get(name);
  for (const [id, layer] of Object.entries(shown)) { byId(id).checked = state.get(id) !== "off"; layer.setVisible(byId(id).checked); }
  look();
  if (state.has("view")) {
    const [lon, lat, zoom] = degrees(state.get("view"))[0];
    map.getView().setCenter(ol.proj.fromLonLat([lon, lat], map.getView().getProjection()));
    map.getView().setZoom(zoom);
  }
  place(sites, about.sites.map(([lon, lat]) => new ol.geom.Point([countedFrom(mapWest, lon), lat])));
  place(coast, (await read("coast.json")).map((line) => new ol.geom.LineString(line)));
  await show();
  if (state.has("range")) {
    const [low, high] = degrees(state.get("range"))[0];
    if (low < high) stretch(low, high);
  }
  if (state.has("at")) await at(ol.proj.fromLonLat(degrees(state.get("at"))[0], map.getView().getProjection()));
  else if (state.has("area")) {
    const corners = degrees(state.get("area"));
    drawn.addFeature(new ol.Feature(new ol.geom.Polygon([[...corners, corners[0]]]).transform("EPSG:4326", map.getView().getProjection())));
    total(drawn.getFeatures()[0]);
  }
  map.on("moveend", () => {
    const view = map.getView(), [lon, lat] = ol.proj.toLonLat(view.getCenter(), view.getProjection());
    remember("view", `${lon.toFixed(3)},${lat.toFixed(3)},${view.getZoom().toFixed(2)}`);
  });
  map.once("rendercomplete", () => document.body.setAttribute("data-ready", "true"));
  map.render(); // everything may be drawn already
}

// Browsers let no page on a disk read the files next to it.
function opened(path) {
  const run = path.replace(/\/products\/viewer\/[^/]*$/, "").replace(/^\/([A-Za-z]:)/, "$1");
  const told = /[^\w@%+=:,./-]/.test(run) ? `"${run}"` : run;
  const error = new Error(`This page was opened from the disk, where browsers let no page read the map next to it. Run this in a terminal; it opens the page in the browser:  icemap view ${told}`);
  error.whole = true;
  return error;
}

// A longitude as it is counted eastward from the western edge of the map: -170 is 190 in a map from 160 to 210.
function countedFrom(west, lon) {
  return lon < west || lon >= west + 360 ? lon - 360 * Math.floor((lon - west) / 360) : lon;
}

// The projection of the GeoTIFFs: degrees, which go on beyond 180 in a map across the date line.
function crossing([west, south, east, north]) {
  if (east <= 180) return "EPSG:4326";
  const code = "degrees-across-the-date-line";
  // The jump by 360 is opposite the map: at its edge the tiles there would have two ends.
  const onward = ([lon, lat]) => [lon > 180 ? lon : countedFrom((west + east) / 2 - 180, lon), lat];
  const back = ([lon, lat]) => [lon > 180 ? lon - 360 : lon, lat];
  ol.proj.addProjection(new ol.proj.Projection({ code, units: "degrees", axisOrientation: "neu", extent: [west, south, east, north], worldExtent: [west, south, east, north] }));
  ol.proj.addCoordinateTransforms("EPSG:4326", code, onward, back);
  ol.proj.addCoordinateTransforms("polar", code, (point) => onward(ol.proj.toLonLat(point, "polar")), (point) => ol.proj.fromLonLat(back(point), "polar"));
  return code;
}

function ready(source) {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (source.getState() === "ready") resolve();
      if (source.getState() === "error") reject(new Error("a GeoTIFF next to this page. The web server has to answer range requests, as that of 'icemap view RUN' does and Python's http.server does not"));
    };
    source.on("change", look);
    look();
  });
}

function colours(layer) {
  const stops = layer.colours.map(rgb);
  const unknown = ["==", ["band", layer.files.length + 1], 0];
  if (layer.kind === "classes") return ["case", unknown, [0, 0, 0, 0], ["==", ["band", 1], 1], [...stops[1], 1], [...stops[0], 1]];
  const value = layer.files.length === 2 ? ["-", ["band", 1], ["band", 2]] : ["band", 1];
  const part = ["/", ["-", value, ["var", "low"]], ["-", ["var", "high"], ["var", "low"]]];
  return ["case", unknown, [0, 0, 0, 0], ["interpolate", ["linear"], part, ...stops.flatMap((colour, k) => [k / (stops.length - 1), [...colour, 1]])]];
}

function legend(layer, low, high) {
  const classes = layer.kind === "classes", [first, second] = layer.colours;
  byId("legend-title").textContent = `${layer.title}${classes ? "" : ` [${layer.unit}]`}`;
  byId("ramp").style.background = classes ? `linear-gradient(to right, ${first} 50%, ${second} 50%)` : `linear-gradient(to right, ${layer.colours.join(",")})`;
  const ticks = classes ? ["outside", "inside"] : [0, 0.25, 0.5, 0.75, 1].map((part) => number(low + part * (high - low)));
  byId("ticks").className = classes ? "classes" : "";
  byId("ticks").replaceChildren(...ticks.map((tick) => Object.assign(document.createElement("span"), { textContent: tick })));
  byId("stretch").hidden = classes;
}

function say(lines) {
  byId("result").replaceChildren(...lines.map(([kind, text]) => Object.assign(document.createElement("p"), { className: kind, textContent: text })));
}

// The same sums as icemap storage: totals of the replicates (their variance by the delete-d jackknife, that of fitting told apart where they share splits) and the correlated residual.
function areaTotal(table, geometry, projection) {
  const cells = covered(table, geometry, projection);
  if (!cells.length) return null;
  const codes = decoded(table), n = table.longitude.length, step = (table.high - table.low) / 65535;
  const area = cells.reduce((sum, cell) => sum + cell.area, 0);
  const scale = table.thickness_m === null ? 1 / area : table.thickness_m / 1000 / 100;
  const totals = Array.from({ length: table.replicates }, (_, r) => scale * cells.reduce((sum, cell) => sum + cell.area * (table.low + step * codes[r * n + cell.index]), 0));
  const centre = totals.reduce((a, b) => a + b, 0) / totals.length;
  const residual = table.variogram ? scale ** 2 * residualVariance(cells, table.variogram) : 0;
  const residualDoubt = table.variogram?.mean_doubt ?? 0;
  const enlargement = table.held_out ? (1 - table.held_out) / table.held_out : 1;
  let spread = together(totals, centre, enlargement), half = halfWidth(spread, residual, residualDoubt);
  const apart = table.splits ? toldApart(totals, centre, table.splits, enlargement) : null;
  if (apart) [spread, half] = [apart, Math.min(half, halfWidth(apart, residual, residualDoubt))];
  const ensemble = spread.variance, variance = ensemble + residual;
  const middle = centre + scale * area * (table.variogram?.mean ?? 0);
  let low = middle - half, high = middle + half;
  if (table.thickness_m !== null) [low, high] = [low, high].map((end) => clipped(end, 0, (area * table.thickness_m) / 1000));
  else if (table.bounds) [low, high] = [low, high].map((end) => clipped(end, table.bounds[0] ?? -Infinity, table.bounds[1] ?? Infinity));
  return { area, centre, low, high, ensemble: variance ? ensemble / variance : 1 };
}

function clipped(value, lowest, highest) {
  return Math.min(Math.max(value, lowest), highest);
}

// As icemap/totals/replicate_spread.py: variance, and the mean squares it is the sum of with their degrees of freedom.
function together(totals, centre, enlargement) {
  if (totals.length < 2) return { variance: 0, parts: [] };
  const variance = (enlargement * totals.reduce((sum, t) => sum + (t - centre) ** 2, 0)) / (totals.length - 1);
  return { variance, parts: [[variance, totals.length - 1]] };
}

function toldApart(totals, centre, splits, enlargement) {
  const groups = new Map();
  totals.forEach((t, r) => groups.set(splits[r], [...(groups.get(splits[r]) || []), t]));
  const all = [...groups.values()], n = totals.length;
  if (all.filter((group) => group.length > 1).length < 20) return null;
  let within = 0, between = 0, squares = 0;
  for (const group of all) {
    const mean = group.reduce((a, b) => a + b, 0) / group.length;
    within += group.reduce((sum, t) => sum + (t - mean) ** 2, 0);
    between += group.length * (mean - centre) ** 2;
    squares += group.length ** 2;
  }
  within /= n - all.length;
  between /= all.length - 1;
  const factor = enlargement / ((n - squares / n) / (all.length - 1));
  const variance = factor * Math.max(between - within, 0) + within / n;
  return { variance, parts: [[factor * between, all.length - 1], [(1 / n - factor) * within, n - all.length]] };
}

function halfWidth(spread, residual, residualDoubt) {
  const variance = spread.variance + residual;
  const doubt = spread.parts.reduce((sum, [part, freedom]) => sum + part ** 2 / freedom, (residual ** 2 * residualDoubt) / 2);
  return student975(doubt && variance ? variance ** 2 / doubt : Infinity) * Math.sqrt(variance);
}

function decoded(table) {
  if (!table.codes) table.codes = new Uint16Array(Uint8Array.from(atob(table.means), (letter) => letter.charCodeAt(0)).buffer);
  return table.codes;
}

// Parts of the cells inside, from 8 x 8 points each, in the projection that was drawn in.
function covered(table, geometry, projection) {
  const cells = [], many = 8, box = geometry.getExtent();
  const inside = (lon, lat) => {
    const point = ol.proj.fromLonLat([lon, lat], projection);
    return ol.extent.containsCoordinate(box, point) && geometry.intersectsCoordinate(point);
  };
  for (let index = 0; index < table.longitude.length; index++) {
    let hits = 0;
    for (let i = 0; i < many; i++) for (let j = 0; j < many; j++) {
      const east = ((i + 0.5) / many - 0.5) * table.side, north = ((j + 0.5) / many - 0.5) * table.side;
      if (inside(table.longitude[index] + east, table.latitude[index] + north)) hits++;
    }
    if (hits) cells.push({ index, lon: table.longitude[index], lat: table.latitude[index], area: (table.area_km2[index] * hits) / many ** 2 });
  }
  return cells;
}

// a'Ca for exponential covariances; inside a cell the mean correlation over two random points of a disc of its area.
function residualVariance(cells, variogram) {
  const { sill, range_km: reach, far_sill: farSill = 0, far_range_km: farReach, mean_sd: shared = 0 } = variogram;
  const structures = [[sill, reach], [farSill, farReach]].filter(([height]) => height > 0);
  const places = cells.map(({ lon, lat }) => [lon, lat].map((degrees) => (degrees * Math.PI) / 180)).map(([x, y]) => [Math.cos(y) * Math.cos(x), Math.cos(y) * Math.sin(x), Math.sin(y)]);
  let variance = 0, area = 0;
  for (let i = 0; i < cells.length; i++) {
    area += cells[i].area;
    for (const [height, range] of structures) variance += height * cells[i].area ** 2 * withinDisc(Math.sqrt(cells[i].area / Math.PI) / range);
    for (let j = 0; j < i; j++) {
      const chord = Math.hypot(places[i][0] - places[j][0], places[i][1] - places[j][1], places[i][2] - places[j][2]);
      const distance = EARTH_KM * 2 * Math.asin(Math.min(1, chord / 2));
      for (const [height, range] of structures) {
        if (distance < 12 * range) variance += 2 * height * cells[i].area * cells[j].area * Math.exp(-distance / range);
      }
    }
  }
  return variance + (shared * area) ** 2;
}

function withinDisc(radius) {
  let sum = 0, weight = 0;
  for (let k = 0; k < 100; k++) {
    const t = (k + 0.5) / 100, density = t * Math.acos(t) - t ** 2 * Math.sqrt(1 - t ** 2);
    sum += density * Math.exp(-2 * radius * t);
    weight += density;
  }
  return sum / weight;
}

// 97.5 % quantile of Student's t (Abramowitz & Stegun 1964, 26.7.5).
function student975(freedom) {
  const z = 1.959963984540054;
  if (!Number.isFinite(freedom)) return z;
  const terms = [(z ** 3 + z) / 4, (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96, (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384];
  return terms.reduce((sum, term, k) => sum + term / freedom ** (k + 1), z);
}

start().catch(fail);
