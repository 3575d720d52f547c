"""Pictures that show the same although their files differ: resized, cropped, mirrored, recoloured."""
