import { type RefObject, useLayoutEffect } from "react";

/**
 * Where an item of a list goes away with the focus in it, its next neighbour has it, or the one before; without one
 * `otherwise` finds a place. Else it would be lost to the page's beginning.
 */
export function useHandOnFocus(item: RefObject<HTMLElement>, otherwise: () => void): void {
  useLayoutEffect(() => {
    const element = item.current;
    // Before it is taken out of the page: that is when the effects of layout end.
    return () => {
      if (element?.contains(document.activeElement) !== true) return;
      const neighbour = element.nextElementSibling ?? element.previousElementSibling;
      const target = neighbour?.querySelector<HTMLElement>("a, button:enabled");
      if (target == null) otherwise();
      else target.focus();
    };
  }, [item, otherwise]);
}
