import { cx } from './cx'

// Drawn for this app on a grid of 20, strokes of 1.6.
const shapes = {
  phone: 'M6.2 3.2 4 4.3c-.8.4-1.1 1.3-.9 2.1 1.3 4.9 5.100 8.900 10.500 10.500.8.2 1.700-.1 2.100-.9l1.100-2.200-3.600-2.400-1.700 1.500c-1.800-.9-3.400-2.500-4.300-4.300l1.500-1.700z',
  chat: 'M3.200 16.800l1-3.300A6.800 6.800 0 1 1 7 16zM7.500 8.500h5M7.500 11.200h3',
  message: 'M3 4.500h14v9.500H8.500L5 17v-3H3z',
  mail: 'M2.500 4.500h15v11h-15zM3 5l7 5.800L17 5',
  clock: 'M10 2.500a7.500 7.500 0 1 0 0 15 7.500 7.500 0 0 0 0-15zM10 6v4l2.800 1.800',
  calendar: 'M3 4.500h14v12.500H3zM3 8.200h14M7 2.500v3.500M13 2.500v3.500',
  note: 'M4 3h12v10l-4 4H4zM12 17v-4h4M7 7h6M7 10h4',
  home: 'M3 9.500 10 3.500l7 6M5 8.500V17h10V8.500M8.500 17v-4.500h3V17',
  key: 'M12.500 3a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9zM9.300 10.700 3 17v0l2.500.5M5.500 14.500l2 2',
  check: 'M4 10.500l4 4 8-9',
  cross: 'M5 5l10 10M15 5L5 15',
  next: 'M8 4.500 13.500 10 8 15.500',
  back: 'M12 4.500 6.500 10l5.500 5.500',
  down: 'M5 8l5 5 5-5',
  search: 'M9 3.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11zM13.200 13.200 17 17',
  person: 'M10 3.200a3.300 3.300 0 1 0 0 6.600 3.300 3.300 0 0 0 0-6.600zM3.800 17c.5-3.200 3-5 6.200-5s5.700 1.800 6.200 5',
  people: 'M7.500 4a2.800 2.800 0 1 0 0 5.600A2.800 2.800 0 0 0 7.500 4zM2.300 16.500c.4-2.900 2.500-4.500 5.200-4.500s4.800 1.600 5.200 4.500M13 4.300a2.800 2.800 0 0 1 0 5M14.800 12.400c1.600.6 2.700 2 3 4.100',
  lock: 'M5 9h10v8H5zM7 9V6.500a3 3 0 0 1 6 0V9',
  opened: 'M5 9h10v8H5zM7 9V6.500a3 3 0 0 1 5.700-1.300',
  plus: 'M10 4v12M4 10h12',
  more: 'M4.500 10h.01M10 10h.01M15.500 10h.01',
  device: 'M6 2.500h8v15H6zM9.300 14.800h1.400',
  sun: 'M10 6.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7zM10 2v1.500M10 16.500V18M2 10h1.500M16.500 10H18M4.300 4.300l1.100 1.100M14.600 14.600l1.100 1.100M15.700 4.300l-1.100 1.100M5.400 14.600l-1.100 1.100',
  moon: 'M16.500 11.800A7 7 0 1 1 8.200 3.500a5.600 5.600 0 0 0 8.300 8.300z',
  out: 'M8 3H3.500v14H8M8.500 10h8.500M13.500 6.500 17 10l-3.500 3.500',
  bell: 'M5 14V9a5 5 0 0 1 10 0v5l1.500 1.500h-13zM8.500 17.500h3',
  warn: 'M10 3 2.500 16.500h15zM10 8v4M10 14.300v.01',
  swap: 'M4 7h11.500L12 3.500M16 13H4.500L8 16.500',
  tag: 'M3 3.500h6.500L17 11l-6 6-8-7.500zM6.500 7h.01',
  pen: 'M13.500 3.500l3 3L7 16l-3.700.7L4 13z',
  flag: 'M5 17.500V3M5 3.500h10l-2.500 3.500L15 10.500H5',
  board: 'M3 3.500h14v13H3zM8 3.500v13M13 3.500v13',
  chart: 'M3 3v14h14M6.500 13.500v-3M10 13.500V6.500M13.500 13.500V9',
  route: 'M5 3.500a1.800 1.800 0 1 0 0 3.600 1.800 1.800 0 0 0 0-3.600zM15 12.900a1.800 1.800 0 1 0 0 3.600 1.800 1.800 0 0 0 0-3.600zM6.800 5.300H13a2.700 2.700 0 0 1 0 5.400H7a2.300 2.300 0 0 0 0 4.600h6',
  list: 'M3 5h14M3 10h14M3 15h9',
  held: 'M3 11.500 5.500 4h9L17 11.500V16H3zM3 11.500h4l1 2h4l1-2h4',
  book: 'M4 4.500A1.500 1.500 0 0 1 5.500 3H16v14H5.500A1.500 1.500 0 0 1 4 15.500zM4 15.500A1.500 1.500 0 0 1 5.500 14H16M8 6.500h4.500',
  inlet: 'M3 4h14l-5.500 6.500V16l-3 1.500v-7z',
  server: 'M3 4h14v5H3zM3 11h14v5H3zM6 6.500h.01M6 13.500h.01',
  pulse: 'M2.500 10.500h3.500l2-5 3.500 9 2-4h4',
  menu: 'M3 5.500h14M3 10h14M3 14.500h14',
  steps: 'M3 16h4v-4h4V8h4V4h2.500',
  sliders: 'M3 6h8.500M15 6h2M3 14h2.500M9 14h8M13.200 4v4M7.200 12v4',
  command: 'M7 7h6v6H7zM7 7H5a2 2 0 1 1 2-2zM13 7V5a2 2 0 1 1 2 2zM13 13h2a2 2 0 1 1-2 2zM7 13v2a2 2 0 1 1-2-2z',
} as const

export type IconName = keyof typeof shapes
// These point along the line of reading.
const turns = new Set<IconName>(['next', 'back', 'out', 'phone', 'note'])

/** A sign beside a word; alone it needs the word as its button's label. */
export function Icon({ name, className }: { name: IconName; className?: string }) {
  return (
    <svg viewBox="0 0 20 20" aria-hidden className={cx('shrink-0', turns.has(name) && 'rtl:-scale-x-100', !className?.includes('size-') && 'size-5', className)}>
      <path d={shapes[name]} fill="none" stroke="currentColor" strokeWidth={name === 'more' ? 2.4 : 1.6} strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  )
}
