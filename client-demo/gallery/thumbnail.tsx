/** A small picture of a board, without the editor: the gallery is there at once. */
import type { Properties } from "../../client/index.ts";
import { type SceneElement, toScene } from "../binding/index.ts";
import { inOrder } from "../binding/scene.ts";

type Point = readonly [number, number];

type Drawn = SceneElement & {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly angle: number;
  readonly opacity: number;
  readonly strokeColor: string;
  readonly backgroundColor: string;
  readonly strokeWidth: number;
  readonly points?: readonly Point[];
  readonly startArrowhead?: string | null;
  readonly endArrowhead?: string | null;
  readonly text?: string;
  readonly fontSize?: number;
};

/** More is not seen at this size, and costs time. */
const mostElements = 600;

/** Draws a board's elements; nothing when there is nothing. `ghosts`: paler, in the same frame. */
export function Thumbnail(props: {
  readonly elements: Readonly<Record<string, Properties>>;
  readonly ghosts?: Readonly<Record<string, Properties>>;
}) {
  const solid = drawnOf(props.elements);
  if (solid.length === 0) return null;
  const ghosts = drawnOf(props.ghosts ?? {});
  const drawn = [...ghosts, ...solid];
  const left = Math.min(...drawn.map(({ x, width }) => Math.min(x, x + width)));
  const top = Math.min(...drawn.map(({ y, height }) => Math.min(y, y + height)));
  const right = Math.max(...drawn.map(({ x, width }) => Math.max(x, x + width)));
  const bottom = Math.max(...drawn.map(({ y, height }) => Math.max(y, y + height)));
  const margin = Math.max(right - left, bottom - top, 120) * 0.06;
  const box = [left - margin, top - margin, right - left + 2 * margin, bottom - top + 2 * margin];
  return (
    <svg viewBox={box.join(" ")} aria-hidden="true" preserveAspectRatio="xMidYMid meet">
      {ghosts.length > 0 && (
        <g className="ghosts" opacity={0.25}>
          <Shapes elements={ghosts} />
        </g>
      )}
      <Shapes elements={solid} />
    </svg>
  );
}

function drawnOf(elements: Readonly<Record<string, Properties>>): readonly Drawn[] {
  const scene = Object.entries(elements).flatMap(
    ([id, properties]) => toScene(id, properties, { version: 1, versionNonce: 1 }) ?? [],
  );
  return inOrder(scene).slice(0, mostElements) as Drawn[];
}

function Shapes({ elements }: { readonly elements: readonly Drawn[] }) {
  return elements.map((element) => (
    <g
      key={element.id}
      opacity={element.opacity / 100}
      transform={`translate(${element.x} ${element.y}) rotate(${(element.angle * 180) / Math.PI} ${element.width / 2} ${element.height / 2})`}
    >
      <Shape element={element} />
    </g>
  ));
}

/** The two strokes of an arrow's head, whatever kind it is; shorter on a short line. */
function headOf(from: Point | undefined, tip: Point | undefined): readonly Point[] {
  if (from === undefined || tip === undefined) return [];
  const [dx, dy] = [from[0] - tip[0], from[1] - tip[1]];
  const length = Math.hypot(dx, dy);
  if (length === 0) return [];
  const scale = Math.min(24, length / 2) / length;
  const side = (angle: number): Point => [
    tip[0] + scale * (dx * Math.cos(angle) - dy * Math.sin(angle)),
    tip[1] + scale * (dx * Math.sin(angle) + dy * Math.cos(angle)),
  ];
  return [side(-0.4), tip, side(0.4)];
}

function Shape({ element }: { readonly element: Drawn }) {
  const { width, height, strokeColor, backgroundColor, strokeWidth, points = [] } = element;
  const paint = { stroke: strokeColor, fill: backgroundColor, strokeWidth };
  switch (element.type) {
    case "ellipse":
      return <ellipse cx={width / 2} cy={height / 2} rx={width / 2} ry={height / 2} {...paint} />;
    case "diamond":
      return (
        <path
          d={`M${width / 2} 0L${width} ${height / 2}L${width / 2} ${height}L0 ${height / 2}Z`}
          {...paint}
        />
      );
    case "freedraw":
    case "line":
    case "arrow": {
      const heads = [
        element.startArrowhead != null ? headOf(points[1], points[0]) : [],
        element.endArrowhead != null ? headOf(points.at(-2), points.at(-1)) : [],
      ];
      return [points, ...heads]
        .filter((line) => line.length > 0)
        .map((line, at) => (
          <polyline
            key={at}
            points={line.map(([x, y]) => `${x},${y}`).join(" ")}
            {...paint}
            fill={element.type === "line" ? backgroundColor : "none"}
            strokeWidth={strokeWidth * 1.5}
            strokeLinecap="round"
            strokeLinejoin="round"
          />
        ));
    }
    case "text": {
      const { fontSize = 20, text = "" } = element;
      return (
        <text fill={strokeColor} fontSize={fontSize} fontFamily="sans-serif">
          {text.split("\n").map((line, at) => (
            <tspan key={at} x={0} y={(at + 0.8) * fontSize * 1.25}>
              {line}
            </tspan>
          ))}
        </text>
      );
    }
    case "image":
      return <rect width={width} height={height} rx={6} fill="#adb5bd" />;
    default:
      return <rect width={width} height={height} rx={Math.min(width, height) * 0.08} {...paint} />;
  }
}
