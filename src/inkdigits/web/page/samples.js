// One digit each, as a hand would write it: paths on a field of 100 by 100.
export const SAMPLES = [
  "M52 17C34 15 25 36 26 52C27 70 37 84 51 83C68 82 76 64 75 48C74 30 66 18 50 18",
  "M37 34L53 17L52 83",
  "M30 34C32 20 48 14 60 20C72 27 70 42 60 53C50 64 38 72 29 81C42 77 58 79 73 80",
  "M32 24C42 14 66 15 66 30C66 42 54 47 45 48C58 47 71 53 70 66C69 82 44 88 30 75",
  "M44 17C40 32 34 44 27 56L74 55M63 34C62 52 61 68 60 84",
  "M37 20C36 28 36 37 35 45C48 37 71 41 70 60C69 80 46 87 31 76M37 20L68 18",
  "M62 17C42 26 29 46 30 64C31 80 46 85 57 81C70 76 72 60 62 53C52 47 36 53 31 66",
  "M29 22L71 20C60 38 51 58 46 83",
  "M65 31C61 14 36 15 36 32C36 46 67 49 67 66C67 83 39 87 34 73C30 57 66 52 65 31",
  "M67 30C62 15 36 17 35 36C34 54 56 54 63 44C66 39 67 34 67 30C67 47 65 66 60 84",
];

/** The strokes of a sample as points in the unit square, evenly spaced along the pen's way. */
export function strokesOf(sample) {
  return sample.split(/(?=M)/).map((part) => {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", part);
    const length = path.getTotalLength();
    const steps = Math.ceil(length / 2.5);
    return Array.from({ length: steps + 1 }, (_, step) => {
      const { x, y } = path.getPointAtLength((length * step) / steps);
      return { x: x / 100, y: y / 100, weight: 1 };
    });
  });
}
