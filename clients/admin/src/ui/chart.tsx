// A small chart of the last minutes: one line over time, with its largest value.

const WIDTH = 240;
const HEIGHT = 56;

export function Chart(props: {
  readonly label: string;
  /** Oldest first. */
  readonly points: readonly number[];
  /** As many points as the width has room for. */
  readonly size: number;
  readonly format: (value: number) => string;
}) {
  const { points, size, format } = props;
  const top = Math.max(...points, 0);
  const now = points.at(-1) ?? 0;
  const step = WIDTH / (size - 1);
  const left = WIDTH - (points.length - 1) * step;
  const at = points.map((value, index): [number, number] => [
    left + index * step,
    HEIGHT - 2 - (top === 0 ? 0 : (value / top) * (HEIGHT - 6)),
  ]);
  const line = at.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  const [first, last] = [at[0]?.[0] ?? WIDTH, at.at(-1)?.[0] ?? WIDTH];
  return (
    <figure class="chart">
      <figcaption>
        <span class="muted">{props.label}</span>
        <strong>{format(now)}</strong>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${props.label}: ${format(now)} now, at most ${format(top)} in the last ${size} seconds`}
      >
        {points.length > 1 && (
          <>
            <polygon points={`${first},${HEIGHT} ${line} ${last},${HEIGHT}`} />
            <polyline points={line} />
          </>
        )}
      </svg>
      <p class="muted small">at most {format(top)}</p>
    </figure>
  );
}
