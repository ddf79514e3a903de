import { Menu as Base } from '@base-ui/react/menu'
import { cx } from './cx'
import { Icon } from './icon'
import type { MenuProps } from './menu'
import { floating } from './surface'

/** The menu itself; it opens as it comes. */
export function MenuList({ trigger, acts }: MenuProps) {
  return (
    <Base.Root defaultOpen>
      <Base.Trigger render={trigger} />
      <Base.Portal>
        <Base.Positioner className="z-50 outline-none" sideOffset={4} align="end">
          <Base.Popup className={cx(floating, 'min-w-50 p-1')}>
            {acts.map((a, i) =>
              a ? (
                <Base.Item
                  key={a.words}
                  disabled={a.disabled}
                  onClick={a.run}
                  className={cx('flex min-h-11 items-center gap-2.5 rounded-sm px-2.5 text-base outline-none data-disabled:opacity-55 data-highlighted:bg-hover md:min-h-8 md:text-sm', a.lost && 'text-lost')}
                >
                  {a.icon && <Icon name={a.icon} className={cx('size-4.5', !a.lost && 'text-faint')} />}
                  {a.words}
                </Base.Item>
              ) : (
                <Base.Separator key={i} className="my-1 h-px bg-line" />
              ),
            )}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  )
}
