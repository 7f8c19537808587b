"use strict";
// Everything shown is read from the files beside this page: map.json, and the GeoTIFFs by range requests.

// Cividis (Nunez et al. 2018, doi:10.1371/journal.pone.0199239): read alike with and without colour vision.
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const OUTSIDE = "#b35806", INSIDE = "#5e8fc0"; // of the area of applicability
const EARTH_KM = 6371.0088;

const byId = (id) => document.getElementById(id);
const number = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 6 });
const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

function fail(error) {
  byId("result").innerHTML = "";
  const line = document.createElement("p");
  line.textContent = `Something could not be read: ${error.message}`;
  byId("result").append(line);
}

async function start() {
  if (location.protocol === "file:") throw new Error("a page that is opened from a disk may not read the map beside it. Run 'icemap view RUN' with the folder of the run: it opens this page in the browser");
  const response = await fetch("map.json");
  if (!response.ok) throw new Error(`map.json (${response.status}); publish the run again`);
  const about = await response.json();
  document.title = about.title;
  byId("title").textContent = about.title;
  for (const layer of about.layers) byId("layer").add(new Option(layer.title, layer.variable));

  proj4.defs("polar", "+proj=laea +lat_0=90 +lon_0=0 +x_0=0 +y_0=0 +datum=WGS84 +units=m");
  ol.proj.proj4.register(proj4);
  ol.proj.get("polar").setExtent([-7e6, -7e6, 7e6, 7e6]);
  ol.proj.get("polar").setWorldExtent([-180, 20, 180, 90]);

  const degreesOf = crossing(about.extent);

  const drawn = new ol.source.Vector({ wrapX: false });
  const outline = new ol.style.Style({ stroke: new ol.style.Stroke({ color: "#d01c8b", width: 2 }), fill: new ol.style.Fill({ color: "rgba(208,28,139,0.12)" }) });
  const areas = new ol.layer.Vector({ source: drawn, style: outline, zIndex: 2 });
  const graticule = new ol.layer.Graticule({ strokeStyle: new ol.style.Stroke({ color: "rgba(60,60,60,0.35)", width: 1 }), showLabels: true, wrapX: false, zIndex: 1 });
  const map = new ol.Map({ target: "map", layers: [graticule, areas] });
  const tiffs = new Map();
  const tiff = (layer) => {
    if (!tiffs.has(layer.file)) tiffs.set(layer.file, GeoTIFF.fromUrl(new URL(layer.file, location.href).href));
    return tiffs.get(layer.file);
  };
  let raster = null;

  async function show() {
    const layer = about.layers.find((one) => one.variable === byId("layer").value);
    const classes = layer.variable === "aoa";
    const [low, high] = classes ? [0, 1] : layer.limits ?? (await range(await tiff(layer)));
    if (raster) map.removeLayer(raster);
    const source = new ol.source.GeoTIFF({ sources: [{ url: new URL(layer.file, location.href).href }], normalize: false, interpolate: false, wrapX: false, projection: degreesOf });
    // A layer that is drawn before the file's header is there asks for blocks that it does not know yet.
    await ready(source);
    raster = new ol.layer.WebGLTile({ source, style: { color: colours(low, high, classes) } });
    map.getLayers().insertAt(0, raster);
    legend(layer, low, high, classes);
  }

  function look() {
    const polar = byId("projection").value === "polar";
    const projection = polar ? "polar" : degreesOf;
    const before = map.getView().getProjection();
    drawn.forEachFeature((feature) => feature.getGeometry().transform(before, projection));
    const view = new ol.View({ projection, center: [0, 0], zoom: 1, showFullExtent: true });
    map.setView(view);
    const [west, south, east, north] = about.extent;
    const around = east - west > 180 && north > 66;
    const edge = polar && around ? EARTH_KM * 1000 * 2 * Math.sin(((90 - south) * Math.PI) / 360) : 0;
    view.fit(edge ? [-edge, -edge, edge, edge] : ol.proj.transformExtent(about.extent, degreesOf, projection, 16), { size: map.getSize() });
  }

  async function at(coordinate) {
    const [lon, lat] = ol.proj.toLonLat(coordinate, map.getView().getProjection());
    const [west, south, east, north] = about.extent;
    const onGrid = countedFrom(west, lon);
    const col = Math.floor((onGrid - west) / about.resolution), row = Math.floor((north - lat) / about.resolution);
    const rows = [];
    if (onGrid < east && lat > south && lat <= north) {
      for (const layer of about.layers) {
        const image = await (await tiff(layer)).getImage();
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
    say(lines);
  }

  function total(feature) {
    const geometry = feature.getGeometry().clone();
    if (about.summed_bounds) return say([["note", "This map follows the published recipe as printed, whose totals have summed bounds: icemap storage --polygons gives them."]]);
    if (!about.totals) return say([["note", "The map was made without the predictions of its replicates (map.replicate_fields), so an area has no interval here."]]);
    const sum = areaTotal(about.totals, geometry, map.getView().getProjection());
    if (!sum) return say([["note", "No cell that counts lies in this area."]]);
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

  byId("layer").addEventListener("change", () => show().catch(fail));
  byId("projection").addEventListener("change", look);
  byId("draw").addEventListener("click", () => drawing(draw === null));
  byId("clear").addEventListener("click", () => { drawn.clear(); byId("result").innerHTML = ""; drawing(false); });
  // The click that closes an area is told a moment later as a click on a place.
  map.on("singleclick", (event) => { if (!draw && event.originalEvent.timeStamp > drawnAt) at(event.coordinate).catch(fail); });
  // A view can be linked to: #layer=aoa&projection=plate&at=129.7,62 or &area=100,60;110,60;110,70
  const wanted = new URLSearchParams(location.hash.slice(1));
  for (const name of ["layer", "projection"]) if (wanted.has(name)) byId(name).value = wanted.get(name);
  const degrees = (text) => text.split(";").map((pair) => pair.split(",").map(Number));
  look();
  await show();
  if (wanted.has("at")) await at(ol.proj.fromLonLat(degrees(wanted.get("at"))[0], map.getView().getProjection()));
  if (wanted.has("area")) {
    const ring = degrees(wanted.get("area"));
    drawn.addFeature(new ol.Feature(new ol.geom.Polygon([[...ring, ring[0]]]).transform("EPSG:4326", map.getView().getProjection())));
    total(drawn.getFeatures()[0]);
  }
  map.once("rendercomplete", () => document.body.setAttribute("data-ready", "true"));
  map.render(); // everything may be drawn already
}

// A longitude as it is counted eastward from the western edge of the map: -170 is 190 in a map from 160 to 210.
function countedFrom(west, lon) {
  return lon < west || lon >= west + 360 ? lon - 360 * Math.floor((lon - west) / 360) : lon;
}

// The projection of the GeoTIFFs: degrees, which go on beyond 180 in a map across the date line.
function crossing([west, south, east, north]) {
  if (east <= 180) return "EPSG:4326";
  const code = "degrees-across-the-date-line";
  // The jump by 360 lies opposite the map: at its edge the tiles there would have two ends.
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
      if (source.getState() === "error") reject(new Error("a GeoTIFF beside this page"));
    };
    source.on("change", look);
    look();
  });
}

async function range(file) {
  const image = await file.getImage();
  const metadata = await image.getGDALMetadata(0);
  return [Number(metadata.STATISTICS_MINIMUM), Number(metadata.STATISTICS_MAXIMUM)];
}

function colours(low, high, classes) {
  const known = ["==", ["band", 2], 0];
  if (classes) return ["case", known, [0, 0, 0, 0], ["==", ["band", 1], 1], [...rgb(INSIDE), 1], [...rgb(OUTSIDE), 1]];
  const stops = CIVIDIS.flatMap((colour, i) => [low + ((high - low) * i) / (CIVIDIS.length - 1), [...rgb(colour), 1]]);
  return ["case", known, [0, 0, 0, 0], ["interpolate", ["linear"], ["band", 1], ...stops]];
}

function legend(layer, low, high, classes) {
  byId("legend-title").textContent = `${layer.title}${classes ? "" : ` [${layer.unit}]`}`;
  byId("ramp").style.background = classes ? `linear-gradient(to right, ${OUTSIDE} 50%, ${INSIDE} 50%)` : `linear-gradient(to right, ${CIVIDIS.join(",")})`;
  const ticks = classes ? ["outside", "inside"] : [0, 0.25, 0.5, 0.75, 1].map((part) => number(low + part * (high - low)));
  byId("ticks").className = classes ? "classes" : "";
  byId("ticks").replaceChildren(...ticks.map((tick) => Object.assign(document.createElement("span"), { textContent: tick })));
}

function say(lines) {
  byId("result").replaceChildren(...lines.map(([kind, text]) => Object.assign(document.createElement("p"), { className: kind, textContent: text })));
}

// The same sums as icemap storage: totals of the replicates (their variance by the delete-d jackknife) and the correlated residual.
function areaTotal(table, geometry, projection) {
  const cells = covered(table, geometry, projection);
  if (!cells.length) return null;
  const codes = decoded(table), n = table.longitude.length, step = (table.high - table.low) / 65535;
  const area = cells.reduce((sum, cell) => sum + cell.area, 0);
  const scale = table.thickness_m === null ? 1 / area : table.thickness_m / 1000 / 100;
  const totals = Array.from({ length: table.replicates }, (_, r) => scale * cells.reduce((sum, cell) => sum + cell.area * (table.low + step * codes[r * n + cell.index]), 0));
  const centre = totals.reduce((a, b) => a + b, 0) / totals.length;
  let ensemble = totals.length > 1 ? totals.reduce((sum, t) => sum + (t - centre) ** 2, 0) / (totals.length - 1) : 0;
  if (table.held_out) ensemble *= (1 - table.held_out) / table.held_out;
  const residual = table.variogram ? scale ** 2 * residualVariance(cells, table.variogram) : 0;
  const variance = ensemble + residual;
  const half = student975(ensemble ? (totals.length - 1) * (variance / ensemble) ** 2 : Infinity) * Math.sqrt(variance);
  let low = centre - half, high = centre + half;
  if (table.thickness_m !== null) [low, high] = [Math.max(low, 0), Math.min(high, (area * table.thickness_m) / 1000)];
  else if (table.bounds) [low, high] = [Math.max(low, table.bounds[0]), Math.min(high, table.bounds[1])];
  return { area, centre, low, high, ensemble: variance ? ensemble / variance : 1 };
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

// a'Ca for an exponential covariance; inside a cell the mean correlation over two random points of a disc of its area.
function residualVariance(cells, variogram) {
  const { sill, range_km: reach, mean_sd: shared = 0 } = variogram;
  const places = cells.map(({ lon, lat }) => [lon, lat].map((degrees) => (degrees * Math.PI) / 180)).map(([x, y]) => [Math.cos(y) * Math.cos(x), Math.cos(y) * Math.sin(x), Math.sin(y)]);
  let variance = 0, area = 0;
  for (let i = 0; i < cells.length; i++) {
    area += cells[i].area;
    variance += cells[i].area ** 2 * withinDisc(Math.sqrt(cells[i].area / Math.PI) / reach);
    for (let j = 0; j < i; j++) {
      const chord = Math.hypot(places[i][0] - places[j][0], places[i][1] - places[j][1], places[i][2] - places[j][2]);
      const distance = EARTH_KM * 2 * Math.asin(Math.min(1, chord / 2));
      if (distance < 12 * reach) variance += 2 * cells[i].area * cells[j].area * Math.exp(-distance / reach);
    }
  }
  return sill * variance + (shared * area) ** 2;
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
