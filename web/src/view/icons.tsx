/** The page's icons: strokes on a grid of 24. */

const PATHS = {
  conversations: "M4 5h16v11H10l-4 4v-4H4z M8 9h8 M8 12h5",
  timing: "M4 6h9 M8 12h10 M13 18h7",
  settings: "M4 7h8 M18 7h2 M4 17h2 M12 17h8 M15 4.5v5 M9 14.5v5",
  developer: "M9 7l-5 5 5 5 M15 7l5 5-5 5",
  more: "M5 11.500v1 M12 11.500v1 M19 11.500v1",
  close: "M6 6l12 12 M18 6L6 18",
  microphone: "M12 3.5a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0v-5a3 3 0 0 1 3-3z M5.5 11.5a6.5 6.5 0 0 0 13 0 M12 18v3",
  muted:
    "M9 6.5a3 3 0 0 1 6 0v5 M12 14.5a3 3 0 0 1-3-3v-2 M5.5 11.5a6.5 6.5 0 0 0 10.5 5.1 M18.5 11.5a6 6 0 0 1-.5 2.6 M12 18v3 M4 3l16 18",
  volume: "M4 9.5h3.5L12 5.5v13l-4.500-4H4z M15.500 9a4 4 0 0 1 0 6 M18 6.500a8 8 0 0 1 0 11",
  silent: "M4 9.5h3.5L12 5.5v13l-4.500-4H4z M16 10l4 4 M20 10l-4 4",
  end: "M7 7h10v10H7z",
  copy: "M9 9h10v11H9z M15 9V4H5v11h4",
  remove: "M5 7h14 M10 7V4h4v3 M7 7l1 13h8l1-13 M10.500 11v5 M13.500 11v5",
  tool: "M19.800 8a4.600 4.600 0 0 1-6.300 5L7 19.500 4.500 17l6.500-6.500a4.600 4.600 0 0 1 5-6.300L13.500 7l.500 3 3 .500z",
  check: "M5 12.500l4.500 4.500L19 7",
  send: "M5 12h13 M12 6l6 6-6 6",
  down: "M12 5v13 M6 12l6 6 6-6",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" data-icon={name} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
